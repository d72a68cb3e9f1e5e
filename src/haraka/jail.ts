import { BanList } from '../gates/jail/ban-list'
import { type Offence, protectionOf } from '../gates/jail/jail-policy'
import { SlowList } from '../gates/jail/slow-list'
import { Warden } from '../gates/jail/warden'
import type { Policy } from '../config/compile'
import type { CidrMap } from '../keys/address'
import type { Mailbox } from '../keys/mailbox'
import type { Ban } from '../policy/ban'
import { isEnforced } from '../policy/mode'
import type { Client } from '../policy/subject'
import type { Store } from '../store/store'
import type { EventStream } from '../telemetry/events'
import type { Answer } from './guard'
import { endSession } from './replies'
import { smtpReply } from './reply'
import type { Session } from './session'
import type { Tarpit } from './tarpit'
import { DENYSOFTDISCONNECT, type Connection } from './types'

export interface JailOptions {
  readonly policy: () => Policy
  readonly store: () => Store
  readonly stream: EventStream
  /** Addresses that speak for others by the PROXY protocol or XCLIENT. */
  readonly proxies: CidrMap<true>
  readonly onFailure: (what: string, error: unknown) => void
}

/** So long the first sessions of a process wait to know who is banned. */
const BOARD_MS = 2000

/** The jail of one process: what is banned, and who does something to deserve it. */
export class Jail {
  readonly bans = new BanList()
  readonly warden: Warden
  private readonly slow = new SlowList()
  private readonly options: JailOptions

  constructor(options: JailOptions) {
    this.options = options
    const { policy, store, stream, onFailure } = options
    this.warden = new Warden({
      policy: () => policy().jail,
      store,
      bans: this.bans,
      protection: (address) => this.protection(address),
      onBan: (ban, before) => stream.emit({ kind: 'ban', at: ban.since, ban, before }),
      onFailure,
    })
  }

  /** Keeps the copy of the board up to date from now on. Resolves when it is there, or is too long in coming. Never rejects. */
  follow(store: Store): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(resolve, BOARD_MS)
      store.onBoard((change) => {
        this.bans.apply(change)
        this.slow.apply(change)
        if (change.kind !== 'all') return
        clearTimeout(late)
        resolve()
      })
    })
  }

  /** Why an address is never banned; undefined when it may be. */
  readonly protection = (address: Client['address']): string | undefined => {
    const { trusted, jail } = this.options.policy()
    return protectionOf(trusted, jail.never, this.options.proxies)(address)
  }

  /** The ban that holds for a client; a protected one has none, whatever the list says. */
  banOf(client: Client, account: string | undefined, sender: Mailbox | undefined): Ban | undefined {
    if (this.bans.size === 0) return undefined
    // Who has logged in is known, whoever else misbehaves at his address.
    const own = account === undefined ? this.bans.findAddress(client.address) : this.bans.findAccount(account)
    if (own && (own.target.kind !== 'network' || this.protection(client.address) === undefined)) return own
    return sender && account === undefined && !client.trusted ? this.bans.findDomain(sender) : undefined
  }

  /** Counts an offence. What it leads to happens later, on its own. */
  offend(connection: Connection, session: Session, offence: Offence): void {
    const { client, triedAccount } = session
    if (connection.relaying || client.trusted) return
    void this.warden.offend(client, offence, triedAccount).then(({ banned, slow }) => {
      if (slow) session.slow = true
      if (banned && !session.closed) this.cut(connection, client)
    })
  }

  /** Somebody tries to log in: holds the attempt while the account is guessed at. */
  async login(session: Session, account: string | undefined, tarpit: Tarpit): Promise<void> {
    if (account !== undefined) session.triedAccount = account
    const { jail } = this.options.policy()
    const { client } = session
    const holds = session.slow || (account !== undefined && this.slow.has(account))
    if (!holds || !isEnforced(jail.mode, client.ip) || !tarpit.accepts(jail.slowMs)) return
    await tarpit.hold(session, jail.slowMs)
  }

  /** A session that has just earned a ban goes on no longer, unless its user has logged in meanwhile. */
  private cut(connection: Connection, client: Client): void {
    const { jail } = this.options.policy()
    if (connection.relaying || !isEnforced(jail.mode, client.ip)) return
    const answer: Answer = { code: DENYSOFTDISCONNECT, message: smtpReply(421, '4.7.0 Your address is banned') }
    endSession(connection, answer)
  }
}

import { BanList } from '../gates/jail/ban-list'
import { type Offence, protectionOf } from '../gates/jail/jail-policy'
import { clientText } from '../gates/jail/evidence'
import { banFinder } from '../gates/jail/jail-gate'
import { SlowList } from '../gates/jail/slow-list'
import { Warden } from '../gates/jail/warden'
import type { Policy } from '../config/compile'
import type { Mailbox } from '../keys/mailbox'
import { type Ban, isAutomatic } from '../policy/ban'
import { type Mode, isEnforced } from '../policy/mode'
import type { Client } from '../policy/subject'
import type { Store } from '../store/store'
import type { EventStream } from '../telemetry/events'
import type { Reply } from './guard'
import { endSession } from './replies'
import { replyFor, smtpReply } from './reply'
import type { Session } from './session'
import type { Tarpit } from './tarpit'
import { DENYSOFTDISCONNECT, type Connection } from './types'

export interface JailOptions {
  readonly policy: () => Policy
  readonly store: () => Store
  readonly stream: EventStream
  /** Addresses that speak for others by the PROXY protocol or XCLIENT. */
  readonly isProxy: (address: Client['address']) => boolean
  /** Whether clients' conduct is remembered. */
  readonly remembers: () => boolean
  /** Whether a client has proven itself; undefined when this process has not heard of it. */
  readonly isProven: (client: Client) => boolean | undefined
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
      slow: this.slow,
      protection: (address) => this.protection(address),
      reputation: () => (options.remembers() ? policy().reputation : undefined),
      onBan: (ban, before) =>
        stream.emit({ kind: 'ban', at: ban.since, ban, before, mode: modeOf(ban, policy().jail.mode) }),
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
    return protectionOf(trusted, jail.never, this.options.isProxy)(address)
  }

  /** The ban that holds for a client; a protected one has none, whatever the list says. */
  banOf(client: Client, account: string | undefined, sender: Mailbox | undefined): Ban | undefined {
    if (this.bans.size === 0) return undefined
    // Who has logged in is known, whoever else misbehaves at his address.
    const own = account === undefined ? this.bans.findAddress(client.address) : this.bans.findAccount(account)
    if (own && this.holds(own, client)) return own
    return sender && account === undefined && !client.trusted ? this.bans.findDomain(sender) : undefined
  }

  private holds(ban: Ban, client: Client): boolean {
    if (ban.target.kind !== 'network') return true
    if (this.protection(client.address) !== undefined) return false
    return !(isForNeighbours(ban, client) && this.options.isProven(client) === true)
  }

  /** A ban stands against a client that does not hold if it has proven itself, and nobody here knows whether it has. */
  isInDoubt(client: Client, ban = this.banOf(client, undefined, undefined)): boolean {
    return ban !== undefined && isForNeighbours(ban, client) && this.options.isProven(client) === undefined
  }

  /** Counts an offence. What it leads to happens later, on its own. */
  offend(connection: Connection, session: Session, offence: Offence): void {
    const { client, triedAccount } = session
    if (connection.relaying || client.trusted) return
    const account = offence === 'auth' ? triedAccount : undefined
    // Other programs ban by these lines, so there is none of who is never banned.
    if (this.protection(client.address) === undefined) {
      this.options.stream.emit({ kind: 'offence', at: Date.now(), ip: client.ip, offence, account })
    }
    this.warden
      .offend(client, offence, account)
      .then(({ banned, ban, slow }) => {
        if (slow) session.slow = true
        if (banned && !session.closed) this.cut(connection, client, ban)
      })
      // A rejection that nobody takes would end the process.
      .catch((error: unknown) => this.options.onFailure('offence', error))
  }

  /** Somebody tries to log in: holds the attempt while the account is guessed at. */
  async login(session: Session, account: string | undefined, tarpit: Tarpit): Promise<void> {
    // An attempt is several commands; the one that names the account is held, once.
    if (account === undefined) return
    session.triedAccount = account
    const { jail } = this.options.policy()
    const { client } = session
    if (!isEnforced(jail.mode, client.ip) || !(session.slow || this.slow.has(account))) return
    const waitMs = Math.min(jail.slowMs, tarpit.longestMs)
    if (tarpit.accepts(waitMs)) await tarpit.hold(session, waitMs)
  }

  /** A session that has just earned a ban goes on no longer, unless its user has logged in meanwhile. */
  private cut(connection: Connection, client: Client, made: Ban | undefined): void {
    const { jail } = this.options.policy()
    if (connection.relaying || !isEnforced(jail.mode, client.ip)) return
    const ban = this.bans.findAddress(client.address) ?? made
    const at = Date.now()
    // In the middle of a session nobody is refused for good: it ends with 421 (RFC 5321 §3.8).
    const answer: Reply = ban
      ? replyFor({ ...banFinder(jail)(ban, { at, client }), action: 'defer', stage: 'command', at })
      : // Another process has made it, and this one has not heard yet.
        { code: DENYSOFTDISCONNECT, message: smtpReply(421, '4.7.0 Your address is banned') }
    endSession(connection, answer)
  }
}

/** Whoever rents a few of its neighbours must not have a partner shut out. */
function isForNeighbours(ban: Ban, client: Client): boolean {
  return ban.target.kind === 'network' && ban.target.text !== clientText(client) && isAutomatic(ban)
}

const ENFORCE: Mode = { kind: 'enforce' }

/** How a ban is applied: what a person or another program says holds, unless the jail is off. */
export function modeOf(ban: Ban, jail: Mode): Mode {
  return isAutomatic(ban) || jail.kind === 'off' ? jail : ENFORCE
}

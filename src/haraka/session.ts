import { randomBytes } from 'node:crypto'
import { type IpAddress, parseIp } from '../keys/address'
import type { Outcome } from '../policy/decision'
import type { Signal } from '../policy/signal'
import { NEUTRAL, type Reputation } from '../gates/reputation/reputation'
import type { Client, Stage } from '../policy/subject'
import type { Ask, LeaseRef } from '../store/store'
import type { Mailbox } from '../keys/mailbox'
import type { FindAsn } from '../config/asn'
import type { SessionConduct } from './reputations'
import type { DnsFacts } from './lookups'
import type { Connection, Transaction } from './types'

/** One judged stage, until every plugin that has a hook on it has taken its answer. */
export interface StageRun {
  readonly stage: Stage
  /** What was judged: the transaction, the recipient, or the session itself. */
  readonly token: object
  /** A promise until the store has answered; then what it came to, so that who asks later does not wait. */
  outcome: Outcome | Promise<Outcome>
  readonly answered: Set<string>
}

/** What Sluice keeps of one SMTP session. */
export interface Session {
  readonly leaseId: string
  readonly startedAt: number
  recipients: number
  /** Commands that were answered with a 5xx. */
  errors: number
  /** Commands that moved no mail, since the last message was taken. */
  junk: number
  /** Of them, those that were not deferred: they count as offences. */
  idle: number
  /** Messages taken when junk was last counted: who delivers is no nuisance, whatever he sends between. */
  delivered: number
  helos: number
  authFailures: number
  unknownRecipients: number
  /** The last MAIL was. */
  mailRefused: boolean
  /** It spoke before it was greeted, and that has been counted. */
  early: boolean
  reputation: Reputation
  conduct: SessionConduct
  /** What is known of the client, such as that a DNS list names it. */
  signals: Signal[]
  /** Questions under way whose answers become signals; each ends in bounded time and none rejects. */
  pending: Promise<void>[]
  dns: DnsFacts | undefined
  client: Client
  /** Plugins that have answered for this client at the connection. */
  judgedBy: string[]
  leases: LeaseRef[]
  /** What the store is to remember of it when it is over. */
  lessons: Ask[]
  run: StageRun | undefined
  /** What a client was last held for. */
  heldFor: object | undefined
  /** The account that it tried to log in to last, in lower case. */
  triedAccount: string | undefined
  /** Its further logins are held. */
  slow: boolean
  /** Its replies are watched. */
  watched: boolean
  /** The plugin that answers when it is over its bounds. */
  boundBy: string | undefined
  /** The folded sender of the transaction that is open: every stage of a message needs it. */
  sender: { readonly of: Transaction; readonly mailbox: Mailbox } | undefined
  /** Recipients of the transaction that is open, folded, but for the one that is being judged; only when there are several. */
  named: { readonly of: Transaction; count: number; readonly addresses: Set<string> } | undefined
  closed: boolean
  /** Called when the client goes away while somebody waits on its behalf. */
  onClose: (() => void) | undefined
}

/** Random for each process, so that no two share a holder; then a counter, since asking for randomness each time is slow. */
const PROCESS_ID = randomBytes(4).toString('hex').slice(0, 6)
const MOST_IDS = 36 ** 6
let lastId = 0

/** Twelve characters, as the store wants them. */
function newLeaseId(): string {
  lastId = (lastId + 1) % MOST_IDS
  return PROCESS_ID + lastId.toString(36).padStart(6, '0')
}

const NOWHERE: IpAddress = { family: 4, bytes: [0, 0, 0, 0], texts: new Map() }

/** @param rejected what Haraka has counted of the session's clients before */
function newConduct(rejected: number): SessionConduct {
  return { good: 0, bad: 0, rejectedBefore: rejected, domains: new Map() }
}

/** Where a session hangs on its connection. A WeakMap would do the same and cost the collector of garbage dearly. */
const SESSION = Symbol('sluice session')

type Carrier = Connection & { [SESSION]?: Session }

/** Sessions by Haraka connection; they vanish with it. */
export class Sessions {
  /** Sessions that have not ended. */
  open = 0
  private readonly waiting: (() => void)[] = []

  constructor(
    private readonly isTrusted: (address: IpAddress) => boolean,
    private readonly findAsn: FindAsn = () => undefined,
    /** Told before a session is another client's. */
    private readonly onChange?: (connection: Connection, session: Session) => void,
  ) {}

  of(connection: Connection): Session {
    const carrier: Carrier = connection
    let session = carrier[SESSION]
    if (!session) {
      session = this.create(connection)
      carrier[SESSION] = session
      this.open++
    } else if (session.client.ip !== connection.remote.ip) {
      this.change(connection, session)
    }
    return session
  }

  /** XCLIENT has shown another client in the same session: what the one before it did is not his. */
  private change(connection: Connection, session: Session): void {
    this.onChange?.(connection, session)
    session.client = this.clientAt(connection.remote.ip)
    session.judgedBy = []
    session.signals = []
    session.reputation = NEUTRAL
    session.conduct = newConduct(connection.msg_count.reject)
    session.recipients = 0
    session.errors = 0
    session.junk = 0
    session.idle = 0
    session.helos = 0
    session.unknownRecipients = 0
    session.mailRefused = false
    session.triedAccount = undefined
    session.slow = false
    session.heldFor = undefined
  }

  /** Its client has gone. Idempotent. */
  close(session: Session): void {
    if (session.closed) return
    session.closed = true
    session.onClose?.()
    if (--this.open === 0) for (const tell of this.waiting.splice(0)) tell()
  }

  /** Resolves when no session is open. */
  drained(): Promise<void> {
    return this.open === 0 ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve))
  }

  find(connection: Connection): Session | undefined {
    return (connection as Carrier)[SESSION]
  }

  private create(connection: Connection): Session {
    return {
      leaseId: newLeaseId(),
      startedAt: Date.now(),
      recipients: 0,
      errors: 0,
      junk: 0,
      idle: 0,
      delivered: 0,
      helos: 0,
      authFailures: 0,
      unknownRecipients: 0,
      mailRefused: false,
      early: false,
      reputation: NEUTRAL,
      conduct: newConduct(0),
      signals: [],
      pending: [],
      dns: undefined,
      client: this.clientAt(connection.remote.ip),
      judgedBy: [],
      leases: [],
      lessons: [],
      run: undefined,
      heldFor: undefined,
      triedAccount: undefined,
      slow: false,
      watched: false,
      boundBy: undefined,
      sender: undefined,
      named: undefined,
      closed: false,
      onClose: undefined,
    }
  }

  /** The client at an address; any text is one, but only an address can be trusted. */
  clientAt(ip: string): Client {
    // Haraka unmaps ::ffff:192.0.2.1 itself; PROXY and XCLIENT may still bring one.
    const address = parseIp(ip) ?? NOWHERE
    return { ip, address, asn: this.findAsn(ip), trusted: this.isTrusted(address) }
  }
}

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
  /** It spoke before it was greeted, and that has been counted. */
  early: boolean
  reputation: Reputation
  readonly conduct: SessionConduct
  /** What is known of the client, such as that a DNS list names it. */
  signals: Signal[]
  /** Questions under way whose answers become signals; each ends in bounded time and none rejects. */
  pending: Promise<void>[]
  dns: DnsFacts | undefined
  client: Client
  /** Address that the connect stage judged; XCLIENT may change the session's address later. */
  judgedIp: string | undefined
  /** Address that the jail has looked at; the same. */
  bannedIp: string | undefined
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

/** Where a session hangs on its connection. A WeakMap would do the same and cost the collector of garbage dearly. */
const SESSION = Symbol('sluice session')

type Carrier = Connection & { [SESSION]?: Session }

/** Sessions by Haraka connection; they vanish with it. */
export class Sessions {
  constructor(
    private readonly isTrusted: (address: IpAddress) => boolean,
    private readonly findAsn: FindAsn = () => undefined,
  ) {}

  of(connection: Connection): Session {
    const carrier: Carrier = connection
    let session = carrier[SESSION]
    if (!session) {
      session = this.create(connection)
      carrier[SESSION] = session
    } else if (session.client.ip !== connection.remote.ip) {
      session.client = this.clientAt(connection.remote.ip)
    }
    return session
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
      early: false,
      reputation: NEUTRAL,
      conduct: { good: 0, bad: 0, domains: new Map() },
      signals: [],
      pending: [],
      dns: undefined,
      client: this.clientAt(connection.remote.ip),
      judgedIp: undefined,
      bannedIp: undefined,
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

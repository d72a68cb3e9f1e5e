import type { IpAddress } from '../keys/address'
import type { Window } from '../store/store'
import type { Ban } from './ban'
import type { Mailbox } from '../keys/mailbox'
import type { Signal } from './signal'
import type { Suppression } from './suppression'

/**
 * The moments at which something is judged. `rcpt` sees every attempt, unknown recipients too; `rcpt_ok` sees a
 * recipient that somebody is ready to take; `data_post` knows the size.
 */
export const STAGES = ['connect', 'command', 'mail', 'rcpt', 'rcpt_ok', 'data', 'data_post'] as const
export type Stage = (typeof STAGES)[number]

/** `submission`: the client has authenticated or may relay. `inbound`: everybody else. */
export type Direction = 'inbound' | 'submission'

/** Who is talking. Made once for each address a session shows. */
export interface Client {
  /** Text of the address, IPv4-mapped addresses unmapped. */
  readonly ip: string
  readonly address: IpAddress
  /** Autonomous system, `as64500`, where a database tells it. */
  readonly asn?: string | undefined
  /** In the `trusted` networks of the config. */
  readonly trusted: boolean
}

/** Counters of the session, kept by the host; a gate reads them and changes nothing. */
export interface SessionFacts {
  /** 12 characters; the holder of the session's leases. */
  readonly leaseId: string
  readonly startedAt: number
  /** RCPT commands so far, this one included. */
  readonly recipients: number
  /** Commands that were answered with a 5xx: unknown, out of order, wrong in syntax, refused recipients. */
  readonly errors: number
  /** Commands that move no mail: NOOP, RSET, VRFY, EXPN, HELP, repeated HELO, and all that were answered with a 4xx. */
  readonly junk: number
  /** Attempts to log in that failed. */
  readonly authFailures: number
  /** Recipients that nobody was ready to take. */
  readonly unknownRecipients: number
  /** It spoke before it was greeted. */
  readonly early: boolean
}

/** Counters of a session that has done nothing yet. */
export const NOTHING_DONE: Omit<SessionFacts, 'leaseId' | 'startedAt'> = {
  recipients: 0,
  errors: 0,
  junk: 0,
  authFailures: 0,
  unknownRecipients: 0,
  early: false,
}

/** What SPF says of the sender (RFC 7208 §2.6), as far as it matters here. */
export type SpfResult = 'pass' | 'fail' | 'softfail' | 'other'

/** What is ordered for somebody who sends. */
export interface SenderOrder {
  readonly id: string
  /** As a key. */
  readonly target: string
  /** `account ann@example.com`. */
  readonly who: string
  readonly suspended?: true | undefined
  /** Recipients. */
  readonly messageRate?: Window | undefined
  /** Milliseconds since 1970, as is `until`. */
  readonly since: number
  readonly until: number
  /** False in shadow. */
  readonly holds: boolean
}

/** Everything a gate may know of what it judges; plain data, no Haraka. */
export interface Subject {
  readonly stage: Stage
  /** Milliseconds since 1970. */
  readonly at: number
  readonly client: Client
  readonly session: SessionFacts
  readonly direction: Direction
  /** Haraka's id of the transaction, else of the session: what other log lines call it. */
  readonly id: string
  readonly helo: string | undefined
  readonly account: string | undefined
  readonly tenant: string | undefined
  readonly sender: Mailbox | undefined
  /** Organisational domain of the sender when SPF has passed for it (RFC 7208 §8.3); of the HELO when there is none (§2.4). */
  readonly spfDomain: string | undefined
  /** Undefined while nobody has asked. */
  readonly spf: SpfResult | undefined
  readonly recipient: Mailbox | undefined
  /** At `rcpt_ok`: the same message already has this recipient, perhaps under another extension. */
  readonly repeated: boolean
  /** Bytes of the message; 0 before `data_post`. */
  readonly sizeBytes: number
  /** What is known of the client by now that speaks for or against it: DNS lists, reverse DNS. */
  readonly signals: readonly Signal[]
  /** By how much reputation multiplies the limits of the client; 1 while it does not. */
  readonly limitFactor: number
  /** What is ordered for whoever sends: client, account, tenant; known at `mail` and `rcpt_ok`. */
  readonly orders: readonly SenderOrder[]
  /** Why no mail is sent to the recipient; known at `rcpt_ok`, of submissions, where plugin suppress is listed. */
  readonly suppressed: Suppression | undefined
  /** Why the client, its account or its sender is shut out. */
  readonly ban: Ban | undefined
  /** It has been held already for what is judged now, so that nobody is held twice. */
  readonly held: boolean
  /** Load level of this process, 0 to 4: whole steps, and the way to the next as the fraction. */
  readonly load: number
  /** Somebody there has delivered mail or logged in lately; known where clients are shed only: `connect`, `mail`, `data`. */
  readonly familiar: boolean
}

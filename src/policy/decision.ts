import type { Ask, LeaseRef } from '../store/store'
import type { Mode } from './mode'
import type { Score } from './signal'
import type { Stage, Subject } from './subject'

/**
 * What a rule does to somebody over its limit. `delay` waits for a free slot within bounds, then defers. `drop` accepts a
 * recipient whom the message then does not go to.
 */
export type Remedy = 'drop' | 'delay' | 'defer' | 'reject'

/** The part of a rule that the pipeline and the readers of decisions need to know. */
export interface Rule {
  readonly name: string
  /** Short name of the plugin that answers for it. */
  readonly plugin: string
  readonly mode: Mode
  readonly remedy: Remedy
  /** `defer`: when the shared store is out of reach, defer rather than judge by this process's own share. */
  readonly onError: 'accept' | 'defer'
  /** What the client reads, as a sentence without a full stop: `Too many messages from this sender`. */
  readonly text: string
  /** Enhanced code of a refusal for good; without it 5.7.1. */
  readonly status?: string
  /** With `delay`: the client is held once and then goes on, whether a slot is free or not. */
  readonly holdsOnce?: boolean
  /** After the refusal the session ends (421, RFC 5321 §3.8). */
  readonly ends?: boolean
}

/** Why something was found: what a reader of a decision is told about it depends on this. */
export type Reason =
  'limit' | 'greylist' | 'score' | 'dnsbl' | 'rdns' | 'ban' | 'store_unreachable' | 'overload' | 'paused' | 'suppressed'

/** What a gate found wrong, before modes are applied. */
export interface Finding {
  readonly rule: Rule
  /** Store key, or a name of the session's own counter. */
  readonly key: string
  readonly enforced: boolean
  readonly count: number
  readonly limit: number
  /** 0 where no window applies. */
  readonly windowMs: number
  /** Until the same attempt can succeed; `Infinity` when it never can, 0 when unknown. */
  readonly retryAfterMs: number
  readonly reason: Reason
  /** Where the same thing is found each time; else every finding gets a reference of its own. */
  readonly ref?: string
}

/** One finding as it came out, for readers: log, metrics, decision log. */
export interface Decision extends Finding {
  /** What was done: `accept` in shadow, or for keys outside the canary share. */
  readonly action: 'accept' | Remedy
  /** Short reference that the reply and the log share. */
  readonly ref: string
  readonly stage: Stage
  readonly at: number
}

/** What one stage came to. */
export interface Outcome {
  readonly subject: Subject
  /** Everything found, shadow included, gravest first within a plugin. */
  readonly decisions: readonly Decision[]
  /** The decision that each plugin has to answer with; a plugin that is not in it accepts. */
  readonly answers: ReadonlyMap<string, Decision>
  /** Names of rules that did not apply because the subject is exempt, with the reason. */
  readonly exemptions: readonly Exemption[]
  /** Leases that this stage took for the session. */
  readonly leases: readonly LeaseRef[]
  /** Judged by this process's own share of each limit, or not at all, because the store was out of reach. */
  readonly degraded: boolean
  /** What the store remembers of those concerned, where a gate has asked. */
  readonly merits: readonly KnownMerit[]
  /** What is to be remembered of this, without anybody waiting. */
  readonly lessons: readonly Ask[]
  /** What speaks for and against the client, where somebody added it up. */
  readonly score: Score | undefined
  /** Why the store did not answer at all; everything it would have been asked is accepted. */
  readonly failure?: Error
}

/** What is remembered of somebody: `samples` of conduct from −1 to 1, and their `mean`. */
export interface KnownMerit {
  readonly name: string
  readonly samples: number
  readonly mean: number
}

export interface Exemption {
  readonly rule: string
  readonly because: string
}

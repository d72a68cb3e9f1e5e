import type { Answer, Ask } from '../store/store'
import type { Exemption, Finding, Rule } from './decision'
import type { Score } from './signal'
import type { Stage, Subject } from './subject'

/** A question to the store on behalf of a rule. */
export interface GateAsk {
  readonly rule: Rule
  readonly ask: Ask
  /** Of a merit: what it is a merit of. What it says is told in {@link Outcome.merits} under this name. */
  readonly merit?: string
  /** Of a merit that excuses others: why, for people. */
  readonly because?: string
  /** What there is to remember once the batch is committed; nobody waits for it. */
  readonly lesson?: (answer: Answer) => Ask | undefined
}

/** Puts a merit into the batch, unless it is there already, and returns its index. */
export function meritIndex(asks: GateAsk[], asked: GateAsk): number {
  const known = asks.findIndex(({ ask }) => ask.key === asked.ask.key)
  return known >= 0 ? known : asks.push(asked) - 1
}

/** What a gate has to tell about a stage besides what it finds wrong. */
export interface Notes {
  score: Score | undefined
}

/**
 * One kind of judgement. Pure: what it says depends on its arguments and its compiled policy alone, so replay and
 * simulation run the very same gates on a memory store with a virtual clock.
 */
export interface Gate {
  readonly plugin: string
  readonly stages: readonly Stage[]
  /** Adds what it wants to know to `asks`, and whom it lets pass unasked to `exemptions`. */
  ask(subject: Subject, asks: GateAsk[], exemptions: Exemption[]): void
  /** Says what it finds wrong without the store. */
  inspect?(subject: Subject, findings: Finding[], notes: Notes): void
}

/** What the store refused is a finding; so is a store out of reach, for a rule that asked not to guess. */
export function findingOf({ rule, ask }: GateAsk, answer: Answer, degraded: boolean): Finding | undefined {
  if (ask.op === 'merit') return undefined
  // A process that counts by itself knows no triplets: every correspondent would be new to it. Nor does it know whom
  // merits excuse, or which values are not new.
  if (degraded && (ask.op === 'triplet' || ask.op === 'distinct' || ask.unless !== undefined)) return undefined
  const unreachable = degraded && rule.onError === 'defer'
  if (answer.ok && !unreachable) return undefined
  return {
    rule,
    key: ask.key,
    enforced: ask.enforced,
    count: answer.count,
    limit: answer.limit,
    windowMs: answer.windowMs,
    retryAfterMs: unreachable ? 0 : answer.retryAfterMs,
    reason: unreachable ? 'store_unreachable' : ask.op === 'triplet' ? 'greylist' : 'limit',
  }
}

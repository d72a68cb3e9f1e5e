import type { Outcome } from '../policy/decision'
import { Allowance } from './allowance'
import { resultOf } from './result'

/** The same client, refused by the same rule, is worth one record in this time. */
const AGAIN_MS = 60_000
/** Different clients: so many at once, then so many a second. */
const BURST = 500
const PER_SECOND = 10
const MOST_CLIENTS = 20_000

/**
 * Which connections that were refused are worth a record. A flood of them says the same thousands of times a second, and
 * would push everything else out of a log that is bounded; the first of each client is kept as long as there are not too
 * many clients. Sessions and messages are always worth one.
 */
export class RefusalQuota {
  private readonly recorded = new Map<string, number>()
  private readonly overall = new Allowance(BURST, PER_SECOND)

  allows(outcome: Outcome): boolean {
    const { subject, decisions } = outcome
    if (subject.stage !== 'connect' || decisions.length === 0) return true
    const result = resultOf(outcome)
    if (result !== 'defer' && result !== 'reject') return true
    const key = `${decisions[0]!.rule.name}|${subject.client.ip}`
    const before = this.recorded.get(key)
    if (before !== undefined && Math.abs(subject.at - before) < AGAIN_MS) return false
    if (!this.overall.take(subject.at)) return false
    // Whoever is forgotten is recorded once more, which the rate bounds.
    if (this.recorded.size >= MOST_CLIENTS) this.recorded.clear()
    this.recorded.set(key, subject.at)
    return true
  }
}

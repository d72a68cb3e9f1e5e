import assert from 'node:assert/strict'
import type { Admission } from '../support/store-process'

/**
 * Fails when some half-open interval of `windowMs` certainly held more than `limit` units. Of each admission it is known
 * that it was judged between `from` and `to`; when both are the same the check is exact.
 */
export function assertNeverMoreThan(admissions: readonly Admission[], limit: number, windowMs: number): void {
  const starts = new Set(admissions.map((admission) => admission.from))
  for (const start of starts) {
    const inside = admissions.filter(({ from, to }) => from >= start && to < start + windowMs)
    const units = inside.reduce((sum, { cost }) => sum + cost, 0)
    assert.ok(units <= limit, `${units} units within ${windowMs} ms from ${start}, at most ${limit} are allowed`)
  }
}

/** By brute force: the least wait after which `cost` more units fit, given what was admitted when. */
export function leastWait(
  admitted: readonly { at: number; cost: number }[],
  now: number,
  limit: number,
  windowMs: number,
  cost: number,
): number {
  if (cost > limit) return Infinity
  const unitsAt = (time: number) =>
    admitted.reduce((sum, entry) => (entry.at > time - windowMs ? sum + entry.cost : sum), 0)
  // Room can only appear when an admission leaves the window.
  const moments = [now, ...admitted.map(({ at }) => at + windowMs).filter((moment) => moment > now)]
  const free = moments.filter((moment) => unitsAt(moment) + cost <= limit)
  return Math.min(...free) - now
}

/** Asks that a merit excuses; see `unless` in `store.ts`. */
import type { Answer, Ask } from '../store'

/** The answer to `asks[index]` when one of the merits it names is `ok`; else undefined. */
export function excusedBy(asks: readonly Ask[], index: number, answers: readonly Answer[]): Answer | undefined {
  const ask = asks[index]!
  const merit = ask.unless?.find((earlier) => answers[earlier]!.ok)
  return merit === undefined ? undefined : excusedAnswer(ask, merit)
}

export function excusedAnswer(ask: Ask, merit: number): Answer {
  const answer = { ok: true, count: 0, ...boundOf(ask), retryAfterMs: 0, excused: merit }
  return ask.op === 'rate' && ask.aheadMs !== undefined ? { ...answer, startsInMs: 0 } : answer
}

function boundOf(ask: Ask): { limit: number; windowMs: number } {
  switch (ask.op) {
    case 'window':
      return { limit: ask.windows[0]!.limit, windowMs: ask.windows[0]!.windowMs }
    case 'rate':
      return { limit: ask.burst, windowMs: ask.burst * ask.intervalMs }
    case 'lease':
      return { limit: ask.limit, windowMs: 0 }
    case 'triplet':
      return { limit: 0, windowMs: ask.delayMs }
    case 'merit':
      return { limit: ask.leastSamples, windowMs: 0 }
    case 'distinct':
      return { limit: ask.limit, windowMs: ask.windowMs }
  }
}

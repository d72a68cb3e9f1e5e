/** Asks that a merit excuses; see `unless` in `store.ts`. */
import type { Answer, Ask } from '../store'

/** The answer to `asks[index]` when one of the merits it names is `ok`; else undefined. Throws when it names no earlier merit. */
export function excusedBy(asks: readonly Ask[], index: number, answers: readonly Answer[]): Answer | undefined {
  const ask = asks[index]!
  const mistake = mistakeAt(asks, index)
  if (mistake) throw mistake
  const merit = ask.unless!.find((earlier) => answers[earlier]!.ok)
  return merit === undefined ? undefined : excusedAnswer(ask, merit)
}

/** The mistake of a caller whose batch has an ask that names what is no earlier merit. */
export function mistakeIn(asks: readonly Ask[]): RangeError | undefined {
  for (let index = 0; index < asks.length; index++) {
    const mistake = asks[index]!.unless === undefined ? undefined : mistakeAt(asks, index)
    if (mistake) return mistake
  }
  return undefined
}

function mistakeAt(asks: readonly Ask[], index: number): RangeError | undefined {
  const { key, unless } = asks[index]!
  const wrong = unless!.find((earlier) => earlier >= index || asks[earlier]?.op !== 'merit')
  if (wrong === undefined) return undefined
  return new RangeError(`ask ${index} (${key}) names ask ${wrong} in unless, which is no earlier merit`)
}

export function excusedAnswer(ask: Ask, merit: number): Answer {
  return { ok: true, count: 0, ...boundOf(ask), retryAfterMs: 0, excused: merit }
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

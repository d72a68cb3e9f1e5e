/** Mistakes of callers, which no store judges. */
import { type Ask, MAX_AHEAD_MS } from '../store'

/** The first mistake of a batch: an ask that names what is no earlier merit, or reserves too far ahead. */
export function mistakeIn(asks: readonly Ask[]): RangeError | undefined {
  for (let index = 0; index < asks.length; index++) {
    const mistake = mistakeAt(asks, index)
    if (mistake) return mistake
  }
  return undefined
}

export function mistakeAt(asks: readonly Ask[], index: number): RangeError | undefined {
  const ask = asks[index]!
  if (ask.op === 'rate' && ask.aheadMs !== undefined && !(ask.aheadMs >= 0 && ask.aheadMs <= MAX_AHEAD_MS)) {
    return new RangeError(`ask ${index} (${ask.key}): aheadMs is ${ask.aheadMs}, not from 0 to ${MAX_AHEAD_MS}`)
  }
  const wrong = ask.unless?.find((earlier) => earlier >= index || asks[earlier]?.op !== 'merit')
  if (wrong === undefined) return undefined
  return new RangeError(`ask ${index} (${ask.key}) names ask ${wrong} in unless, which is no earlier merit`)
}

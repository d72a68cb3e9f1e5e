import type { WindowAsk } from '../store/store'

/** The most that a store counts: no limit at all. */
const NO_LIMIT = 1024 ** 4

/** Counts in windows, and refuses nobody: the answer tells what was counted before. */
export function countingAsk(key: string, cost: number, ...windowsMs: readonly number[]): WindowAsk {
  const windows = windowsMs.map((windowMs) => ({ limit: NO_LIMIT, windowMs }))
  return { op: 'window', key, enforced: false, windows, cost }
}

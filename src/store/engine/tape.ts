/**
 * A tape is the memory of one sliding window: when units were admitted, newest last, each entry with the running total
 * at that moment. The number of units in the window is then a difference of two totals, found by binary search, and the
 * time at which room appears is the time of one entry plus the window.
 *
 * A tape with more than {@link SLICES} units groups the admissions of one 1/60 of the window into one entry that bears
 * the time of the latest of them. Grouping errs on the safe side: a unit is counted at most 1/60 of the window too long
 * and never too short. So a tape has at most {@link MAX_ENTRIES} entries, whatever the limit: a window that is no multiple
 * of 60 ms is cut a little finer, and a limit that was raised leaves up to 60 single entries behind.
 *
 * The Lua scripts of the Redis store do the very same on the encoding of `codec.ts`; the contract suite compares them.
 */
export interface Tape {
  readonly windowMs: number
  /** Running total before the first entry, modulo {@link WRAP}. */
  base: number
  /** Pairs `time, running total`, flat: `[t0, c0, t1, c1, …]`. Times never fall. */
  entries: number[]
}

export const SLICES = 60
export const MAX_ENTRIES = 2 * SLICES + 2
/** Totals wrap at 2^48, the width they are stored in; only differences count. */
export const WRAP = 2 ** 48

export function emptyTape(windowMs: number): Tape {
  return { windowMs, base: 0, entries: [] }
}

/** The instant to judge at: a key's time never runs backwards, and a clock that jumped back by more than the window starts the tape anew. */
export function settleTime(tape: Tape, now: number): number {
  const last = tape.entries[tape.entries.length - 2]
  if (last === undefined || last <= now) return now
  if (last - now <= tape.windowMs) return last
  tape.base = 0
  tape.entries = []
  return now
}

/** Forgets what has left the window. */
export function trim(tape: Tape, now: number): void {
  const gone = expired(tape, now)
  if (gone === 0) return
  if (gone * 2 === tape.entries.length) {
    tape.base = 0
    tape.entries = []
    return
  }
  tape.base = tape.entries[gone * 2 - 1]!
  tape.entries.splice(0, gone * 2)
}

/** Units in `(now - windowMs, now]`. */
export function countUnits(tape: Tape, now: number): number {
  const gone = expired(tape, now)
  const before = gone === 0 ? tape.base : tape.entries[gone * 2 - 1]!
  return difference(total(tape), before)
}

/** Time from `now` until `cost` more units fit below `limit`; `Infinity` if they never can. Asked only when they do not fit now. */
export function timeUntilRoom(tape: Tape, now: number, limit: number, cost: number): number {
  if (cost > limit) return Infinity
  const sum = total(tape)
  // The first entry after whose departure the rest leaves room.
  let low = expired(tape, now)
  let high = tape.entries.length / 2 - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (difference(sum, tape.entries[middle * 2 + 1]!) + cost <= limit) high = middle
    else low = middle + 1
  }
  return Math.max(1, tape.entries[low * 2]! + tape.windowMs - now)
}

/** Admits `cost` units at `now`. The tape must have been trimmed at `now`. */
export function append(tape: Tape, now: number, limit: number, cost: number): void {
  const { entries } = tape
  const sum = (total(tape) + cost) % WRAP
  const last = entries.length - 2
  if (last >= 0 && (entries[last] === now || (limit > SLICES && sameSlice(entries[last]!, now, tape.windowMs)))) {
    entries[last] = now
    entries[last + 1] = sum
  } else {
    entries.push(now, sum)
  }
}

export function sameSlice(a: number, b: number, windowMs: number): boolean {
  const sliceMs = Math.floor(windowMs / SLICES)
  return sliceMs > 0 && Math.floor(a / sliceMs) === Math.floor(b / sliceMs)
}

/** Number of entries that have left the window: those at or before `now - windowMs`. */
function expired(tape: Tape, now: number): number {
  const { entries } = tape
  const edge = now - tape.windowMs
  let low = 0
  let high = entries.length / 2
  while (low < high) {
    const middle = (low + high) >> 1
    if (entries[middle * 2]! <= edge) low = middle + 1
    else high = middle
  }
  return low
}

function total(tape: Tape): number {
  return tape.entries.length === 0 ? tape.base : tape.entries[tape.entries.length - 1]!
}

function difference(later: number, earlier: number): number {
  return later >= earlier ? later - earlier : later - earlier + WRAP
}

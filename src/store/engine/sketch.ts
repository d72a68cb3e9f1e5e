/**
 * How many different values a window holds, by linear counting (Whang and others, 1990): each value sets one of m bits,
 * and n values leave about m·e^(-n/m) unset. Two generations of one window each: while the newer one is filled, the older
 * one is still looked at, so a value is remembered for one to two windows after its last use.
 *
 * The stores compare numbers of set bits, which are kept beside them; logarithms are taken here alone.
 */
import { type Answer, type DistinctAsk, MOST_DISTINCT } from '../store'
import type { DistinctState } from './state'

export const SKETCH_BITS = 1024
export const SKETCH_BYTES = SKETCH_BITS / 8

/** The estimate for each number of set bits; with all of them set there is none, and the next to last stands in. */
const ESTIMATES = Array.from({ length: SKETCH_BITS + 1 }, (_, set) =>
  Math.round(SKETCH_BITS * Math.log(SKETCH_BITS / Math.max(1, SKETCH_BITS - set))),
)

export function estimateOf(setBits: number): number {
  return ESTIMATES[setBits]!
}

/** The largest number of set bits whose estimate is within the limit. */
export function mostBits(limit: number): number {
  const most = Math.min(MOST_DISTINCT, limit)
  let [low, high] = [0, SKETCH_BITS]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (ESTIMATES[middle]! <= most) low = middle
    else high = middle - 1
  }
  return low
}

/** The bit of a value. Values that lie close together are spread, as FNV leaves the ends of similar texts. */
export function bitOf(value: number): number {
  return Math.imul(value, 0x9e3779b1) >>> 22
}

export function emptySketch({ windowMs }: DistinctAsk, now: number): DistinctState {
  const bits = new Uint8Array(2 * SKETCH_BYTES)
  return { op: 'distinct', windowMs, startedAt: now, set: 0, newerSet: 0, bits, noted: false }
}

/** Both generations are gone, or a clock far ahead has made them. */
export function isSketchOver({ startedAt, windowMs }: DistinctState, now: number): boolean {
  return now - startedAt >= 2 * windowMs || startedAt - now > windowMs
}

/** Different values that are remembered at `now`. */
export function valuesAt(state: DistinctState, now: number): number {
  return estimateOf(isTurnDue(state, now) ? state.newerSet : state.set)
}

export function judgeDistinct(state: DistinctState, ask: DistinctAsk, now: number): Answer {
  const { windowMs, bits } = state
  const bit = bitOf(ask.value)
  const due = isTurnDue(state, now)
  const set = due ? state.newerSet : state.set
  const known = isSet(bits, SKETCH_BITS + bit) || (!due && isSet(bits, bit))
  const most = mostBits(ask.limit)
  const ok = known || set < most
  const retryAfterMs = ok ? 0 : waitFor(state, due, most, now)
  return { ok, count: estimateOf(set), limit: ask.limit, windowMs, retryAfterMs }
}

/** Sets the value's bit in the newer generation, so that it is remembered for another window. Returns false when it is set there already. */
export function commitDistinct(state: DistinctState, ask: DistinctAsk, now: number): boolean {
  const { bits } = state
  const bit = bitOf(ask.value)
  if (isTurnDue(state, now)) turn(state)
  else if (isSet(bits, SKETCH_BITS + bit)) return false
  if (!isSet(bits, bit)) state.set++
  state.newerSet++
  bits[(SKETCH_BITS + bit) >> 3]! |= 1 << (bit & 7)
  return true
}

/** Until the older generation goes; while the newer one alone is too full, until that goes after it. */
function waitFor({ startedAt, windowMs, newerSet }: DistinctState, due: boolean, most: number, now: number): number {
  if (most < 1) return Infinity
  const olderEndsAt = startedAt + (due ? 2 : 1) * windowMs
  const newerIsFull = !due && newerSet >= most
  return Math.max(1, olderEndsAt - now + (newerIsFull ? windowMs : 0))
}

/** Whether the newer generation is over, and so the older one forgotten. */
function isTurnDue({ startedAt, windowMs }: DistinctState, now: number): boolean {
  return now - startedAt >= windowMs
}

function turn(state: DistinctState): void {
  state.bits.copyWithin(0, SKETCH_BYTES)
  state.bits.fill(0, SKETCH_BYTES)
  state.set = state.newerSet
  state.newerSet = 0
  state.startedAt += state.windowMs
}

function isSet(bits: Uint8Array, bit: number): boolean {
  return (bits[bit >> 3]! & (1 << (bit & 7))) !== 0
}

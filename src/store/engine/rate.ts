/**
 * Token buckets by virtual scheduling (GCRA). Once a slot of a bucket was reserved ahead, its state also says when it was
 * written: its time may then lie far ahead of the clock, and only so is a clock that was put back told from that.
 */
import { type Answer, MAX_AHEAD_MS, type RateAsk } from '../store'
import type { RateState } from './state'

export function judgeRate(state: RateState, ask: RateAsk, now: number): Answer {
  const { intervalMs, burst, cost, aheadMs } = ask
  const depthMs = burst * intervalMs
  const tat = arrivalAt(state, depthMs, now)
  const waitMs = tat + cost * intervalMs - depthMs - now
  // What is more than the burst would begin all at once, however late.
  const ok = waitMs <= 0 || (aheadMs !== undefined && waitMs <= aheadMs && cost <= burst)
  const retryAfterMs = ok ? 0 : cost > burst ? Infinity : Math.max(1, Math.ceil(waitMs - (aheadMs ?? 0)))
  const answer = { ok, count: Math.ceil((tat - now) / intervalMs), limit: burst, windowMs: depthMs, retryAfterMs }
  return ok && aheadMs !== undefined ? { ...answer, startsInMs: Math.max(0, Math.ceil(waitMs)) } : answer
}

export function commitRate(state: RateState, ask: RateAsk, now: number): void {
  state.tat = arrivalAt(state, ask.burst * ask.intervalMs, now) + ask.cost * ask.intervalMs
  if (ask.aheadMs !== undefined || state.writtenAt !== undefined) state.writtenAt = now
}

/**
 * Follows a clock that was put back: what is reserved lies as far ahead of the new time as it did of the old, and so
 * never begins too soon. To be written down even if nothing is taken, or a bucket nobody takes from would stand still until
 * the clock is where it was. Returns whether the state has changed.
 */
export function followClock(state: RateState, ask: RateAsk, now: number): boolean {
  if (state.writtenAt === undefined || state.writtenAt <= now) return false
  const leadMs = Math.max(0, state.tat - state.writtenAt)
  state.tat = isTooFar(leadMs, state, ask.burst * ask.intervalMs) ? now : now + leadMs
  state.writtenAt = now
  return true
}

/** Uses up a bucket so far that it is full in `leadMs` at the soonest, by what was reserved of it elsewhere. */
export function drainRate(state: RateState, leadMs: number, now: number): void {
  state.tat = Math.max(state.tat, now + leadMs)
  state.writtenAt = now
}

function arrivalAt(state: RateState, depthMs: number, now: number): number {
  // A clock that jumped back further than a full bucket lasts would lock the key out: start anew.
  return isTooFar(state.tat - now, state, depthMs) ? now : Math.max(state.tat, now)
}

/** Intervals are fractions of a millisecond: added to a time, a full bucket may come out a little more than full. */
const ROUNDING_MS = 1

function isTooFar(leadMs: number, state: RateState, depthMs: number): boolean {
  return leadMs > longestLeadMs(state, depthMs) + ROUNDING_MS
}

/**
 * What is further ahead was made by other figures, or by a clock that is no more. Twice the depth, since a process's share of
 * a bucket is rounded down, to more than half, and may follow what was reserved of the whole.
 */
function longestLeadMs({ writtenAt }: RateState, depthMs: number): number {
  return writtenAt === undefined ? depthMs : 2 * depthMs + MAX_AHEAD_MS
}

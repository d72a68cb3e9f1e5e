import type { Day } from './calendar'
import type { Spread } from './policy'

/**
 * What begins so shortly before midnight may be taken after it, when the next day counts it too: so nothing begins. Longer
 * than most sessions take.
 */
export const QUIET_MS = 5 * 60_000

/** How fast mail may go just now. */
export interface Rate {
  readonly intervalMs: number
  readonly burst: number
}

/** The last instant at which something may begin. */
export function lastCall({ endsAt }: Pick<Day, 'endsAt'>): number {
  return endsAt - QUIET_MS
}

/**
 * The rate at which what is left of a quota lasts until the day ends: even from midnight on, and faster where mail came
 * later, up to `catchUp` times. Never all that was left out at once.
 */
export function rateAt(spread: Spread, day: Day, quota: number, used: number, now: number): Rate {
  const evenMs = (lastCall(day) - day.startsAt) / quota
  const leftMs = (lastCall(day) - now) / Math.max(1, quota - used)
  const intervalMs = Math.min(evenMs, Math.max(leftMs, evenMs / spread.catchUp))
  return { intervalMs: Math.max(1, Math.floor(intervalMs)), burst: burstOf(spread, quota) }
}

export function burstOf({ ahead }: Spread, quota: number): number {
  return Math.max(1, Math.ceil(quota * ahead))
}

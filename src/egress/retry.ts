import type { EgressProfile } from './profile'

type RetryWaits = EgressProfile['retry']

/** How long it is tried: a message is given up when it is older than this, a bounce sooner, as nobody waits for it. */
export interface Lifetimes {
  readonly lifetimeMs: number
  readonly bounceLifetimeMs: number
}

/** When a message that was deferred is tried again, and when it is given up. */
export interface RetryPlan extends RetryWaits, Lifetimes {
  /** Waits are so many times as long, up to the longest: its path goes slower than usual. At least 1. */
  readonly stretch: number
}

/** A message that could not be delivered just now. */
export interface Deferred {
  /** Attempts so far, this one included; at least 1. */
  readonly attempts: number
  /** When it was first queued, in milliseconds since 1970. Splitting or a restart does not renew it. */
  readonly queuedAt: number
  readonly isBounce: boolean
  /** What the other side has asked for, such as greylisting's `try again in 300 seconds`; 0 when it has not. */
  readonly hintMs: number
}

export type NextAttempt = { readonly afterMs: number } | { readonly expired: true }

/** No hint is taken further than this: it is the other side's word. */
const LONGEST_HINT_MS = 6 * 3_600_000

/**
 * Tells when to try again, in whole milliseconds of at least 1000: Haraka loses messages over delays that are no numbers,
 * or none. The last attempt is made when the lifetime ends, not given up a retry before.
 *
 * @param random from 0 up to 1
 */
export function nextAttempt(plan: RetryPlan, deferred: Deferred, now: number, random: () => number): NextAttempt {
  const leftMs = timeLeft(plan, deferred, now)
  if (leftMs <= 0) return { expired: true }
  const plainMs = plan.firstMs * plan.factor ** Math.max(0, deferred.attempts - 1)
  const backoffMs = Math.min(plan.longestMs, plainMs * plan.stretch)
  const spread = 1 + plan.jitter * (2 * random() - 1)
  const wishedMs = Math.max(backoffMs * spread, Math.min(deferred.hintMs, LONGEST_HINT_MS))
  return { afterMs: Math.max(1000, Math.ceil(Math.min(wishedMs, leftMs))) }
}

/** How much longer a message is kept; 0 or less when it is too old to be tried once more. */
export function timeLeft(
  plan: Lifetimes,
  { queuedAt, isBounce }: Pick<Deferred, 'queuedAt' | 'isBounce'>,
  now: number,
): number {
  return queuedAt + (isBounce ? plan.bounceLifetimeMs : plan.lifetimeMs) - now
}

/**
 * The wait that a reply asks for: `try again in 5 minutes`, `retry after 300 seconds`, `delayed for 00:05:00`. 0 when it
 * names none. Whoever words his replies otherwise is tried by the plan.
 */
export function hintOf(reply: string): number {
  const text = reply.slice(0, 1000)
  const clock = /\b(?:for|in|after) (\d{1,2}):([0-5]\d):([0-5]\d)\b/i.exec(text)
  if (clock) return ((Number(clock[1]) * 60 + Number(clock[2])) * 60 + Number(clock[3])) * 1000
  const words =
    /\b(?:again|retry|back|wait)\b[^\d]{0,30}\b(\d{1,5}) ?(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?)\b/i.exec(
      text,
    )
  if (!words) return 0
  const unit = words[2]![0]!.toLowerCase()
  return Number(words[1]) * (unit === 's' ? 1000 : unit === 'm' ? 60_000 : 3_600_000)
}

import type { Outcome, Remedy } from '../policy/decision'
import type { AttemptEvent } from './events'

/** What a whole stage came to. */
export type Result = 'accept' | Remedy

const GRAVITY: Record<Result, number> = { accept: 0, drop: 1, delay: 2, defer: 3, reject: 4 }

/** The gravest action among the decisions of an outcome; `accept` when there is none. */
export function resultOf({ decisions }: Outcome): Result {
  let result: Result = 'accept'
  for (const { action } of decisions) {
    if (GRAVITY[action] > GRAVITY[result]) result = action
  }
  return result
}

/** What an attempt to deliver came to; `mixed` when its recipients fared differently. */
export const ATTEMPT_RESULTS = ['delivered', 'deferred', 'bounced', 'mixed'] as const
export type AttemptResult = (typeof ATTEMPT_RESULTS)[number]

/** `deferred` also when it ended for nobody: the message is still there. */
export function resultOfAttempt({
  delivered,
  deferred,
  bounced,
}: Pick<AttemptEvent, 'delivered' | 'deferred' | 'bounced'>): AttemptResult {
  const all = delivered + deferred + bounced
  if (deferred === all) return 'deferred'
  if (delivered === all) return 'delivered'
  return bounced === all ? 'bounced' : 'mixed'
}

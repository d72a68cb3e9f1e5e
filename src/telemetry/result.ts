import type { Outcome, Remedy } from '../policy/decision'

/** What a whole stage came to. */
export type Result = 'accept' | Remedy

const GRAVITY: Record<Result, number> = { accept: 0, delay: 1, defer: 2, reject: 3 }

/** The gravest action among the decisions of an outcome; `accept` when there is none. */
export function resultOf({ decisions }: Outcome): Result {
  let result: Result = 'accept'
  for (const { action } of decisions) {
    if (GRAVITY[action] > GRAVITY[result]) result = action
  }
  return result
}

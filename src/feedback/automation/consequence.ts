import type { SenderKind } from '../../egress/sender-target'
import type { Window } from '../../store/store'

/** When something is done for an answer. */
export type Trigger =
  | { readonly kind: 'immediate' }
  /** So many of them within a time, over all hosts. */
  | { readonly kind: 'count'; readonly limit: number; readonly windowMs: number }
  /** So large a part of all recipients within a time, of so many at least. */
  | { readonly kind: 'share'; readonly share: number; readonly least: number; readonly windowMs: number }

interface Timed {
  readonly trigger: Trigger
  readonly forMs: number
}

/** What an answer sets off. */
export type Consequence = Timed &
  (
    | { readonly does: 'suspend'; readonly of: 'path' | 'source' }
    /** Factors are of the profile's figures. */
    | { readonly does: 'rate'; readonly factor: number }
    | { readonly does: 'connections'; readonly factor: number }
    /** Messages that a session of the path may carry. */
    | { readonly does: 'session'; readonly messages: number }
    /** The recipient is not tried again before. */
    | { readonly does: 'delay' }
    /** Recipients that whoever sent it may have. */
    | { readonly does: 'slow'; readonly of: SenderKind; readonly to: Window }
    | { readonly does: 'pause'; readonly of: SenderKind }
    /** Nothing is changed: a person is to look at it. */
    | { readonly does: 'review'; readonly of: SenderKind }
    /** The recipient is not written to any more. */
    | { readonly does: 'suppress' }
    /** Whoever it is to be blamed on is looked for, and held back. */
    | { readonly does: 'blame' }
  )

/** What an action is ordered for; undefined where nobody of that kind is known. */
export type Doing = Consequence['does']

/** `3 in 1h`. */
export function sayTrigger(trigger: Trigger, sayTime: (ms: number) => string): string {
  if (trigger.kind === 'immediate') return 'at once'
  if (trigger.kind === 'count') return `${trigger.limit} in ${sayTime(trigger.windowMs)}`
  const { share, least, windowMs } = trigger
  return `${Number((share * 100).toFixed(2))} % of at least ${least} in ${sayTime(windowMs)}`
}

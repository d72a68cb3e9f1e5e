import type { Action } from '../egress/steering-action'
import type { SteeringDesk } from '../egress/steering-desk'
import type { Clock, Store } from '../store/store'
import { countersOf } from './automation/triggers'
import { countedBeside } from './blame/tally'
import type { Classifier } from './classifier'
import { keysOf } from './guard/figures'
import { pardon } from './pardon'

export interface Releasing {
  /** Nothing is ordered against them for so long, but by people. */
  readonly leaveAloneMs?: number
  readonly clock?: Clock
}

/**
 * Lets senders go: takes actions off, and forgets what was counted, so that nobody is held again for what is forgiven: by
 * the guard, by rules for answers, or as the one to blame. Rejects with `StoreError`.
 */
export async function release(
  store: Store,
  desk: SteeringDesk,
  rules: Pick<Classifier, 'counting' | 'sharesWanted'>,
  actions: readonly Action[],
  { leaveAloneMs = 0, clock = Date.now }: Releasing = {},
): Promise<void> {
  const targets = [...new Set(actions.map(({ path }) => path))]
  const counters = targets.flatMap((target) => [...keysOf(target), ...countersOf(target, rules)])
  // First, so that nobody is held anew by what is about to be forgotten.
  await store.reset([...counters, ...(await countedBeside(store, targets))])
  if (leaveAloneMs > 0) await pardon(store, targets, clock() + leaveAloneMs)
  await desk.withdraw(actions)
}

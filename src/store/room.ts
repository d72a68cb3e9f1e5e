import type { State } from './engine/state'

/**
 * Whether a state is what is remembered of somebody (greylisting, merits), for days and weeks, or a counter, for minutes
 * and hours. When a store is full, the kind of which there is more makes room, so each has half of it for certain: else a
 * flood of new triplets, which anybody can bring and which all outlive a counter, would drive out every counter, and no
 * limit would hold; and a flood of senders would drive out all that was learned.
 */
export function isRemembered({ op }: State): boolean {
  return op === 'triplet' || op === 'merit'
}

const SAY_EVERY_MS = 3_600_000

/** Tells an operator that live keys are forgotten for want of room: at once, then at most once an hour. */
export class FullNotice {
  private saidAt = -Infinity

  constructor(
    private readonly maxKeys: number,
    private readonly notice: (message: string) => void,
  ) {}

  say(now: number): void {
    // A clock that was set back by more than that must not silence it.
    if (Math.abs(now - this.saidAt) < SAY_EVERY_MS) return
    this.saidAt = now
    this.notice(
      `store: full, ${this.maxKeys} keys are kept: counts and triplets are forgotten before their time, so limits let ` +
        'more through. Find out who floods it (sluice limits top), or raise store.max_keys.',
    )
  }
}

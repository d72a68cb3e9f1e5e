import { randomBytes } from 'node:crypto'
import { LEASE_ID_LENGTH, type LeaseRef, type Store } from '../store/store'
import { pathKey } from './path-key'
import type { Timers } from './timers'

/** How often a process that has mail waiting looks for others. */
const LOOK_MS = 1000
/** A mark outlives two looks. */
const MARK_MS = 2500
/** In a contest a place is soon taken, so it is soon asked for again. */
const EAGER_MS = 100
/** Time for others to take a place that was given back. */
const YIELD_MS = 150

export interface ContestOptions {
  readonly path: string
  readonly store: () => Store
  readonly timers: Timers
  /** Whether mail waits here that got no place, though this process holds fewer than its share. */
  readonly isStarved: () => boolean
  /** It is known again how many want places. */
  readonly onLook: () => void
}

/**
 * Lets processes share the places of a path. A process with a long backlog would take each place again as soon as it gives
 * it back, and another would find none for hours. So who finds none leaves a mark; who sees the mark of another leaves one
 * too, and holds no more than its share while there are several. Without a mark nobody is held to anything.
 */
export class Contest {
  /** Processes that want places, this one included. */
  private contenders = 1
  private isOn = false
  private stopLooking: (() => void) | undefined
  private readonly mark: LeaseRef

  constructor(private readonly options: ContestOptions) {
    const id = randomBytes(LEASE_ID_LENGTH / 2).toString('hex')
    this.mark = { key: pathKey('egress_contest', options.path), id }
  }

  /** Mail waits: looks from now on, first in a while, when most paths have nothing waiting any more. */
  begin(): void {
    this.isOn = true
    this.stopLooking ??= this.options.timers.after(LOOK_MS, () => {
      this.stopLooking = undefined
      // A store that fails is told of by who asks it for places, more often than here.
      const goOn = () => {
        if (!this.isOn) return
        this.begin()
        this.options.onLook()
      }
      void this.look().then(goOn, goOn)
    })
  }

  /** Nothing waits any more. */
  end(): void {
    this.isOn = false
    this.stopLooking?.()
    this.stopLooking = undefined
    this.contenders = 1
  }

  /** How many of so many places this process may hold. */
  shareOf(places: number): number {
    return Math.ceil(places / this.contenders)
  }

  /** How long to wait before asking again for a place, where there was none. */
  askAgainMs(usualMs: number): number {
    return this.contenders > 1 ? EAGER_MS : usualMs
  }

  /** How long to leave a place that was given back to others: where there are not enough for all, they take turns. */
  yieldMs(places: number): number {
    return this.contenders > places ? YIELD_MS : 0
  }

  private async look(): Promise<void> {
    const { store, isStarved } = this.options
    const { key, id } = this.mark
    const seen = await store().judge([{ op: 'lease', key, id, enforced: false, limit: 0, ttlMs: MARK_MS }])
    // Its own does not count.
    const others = seen.answers[0]?.count ?? 0
    this.contenders = others + 1
    if (others > 0 || isStarved()) await store().renew([this.mark], MARK_MS)
  }
}

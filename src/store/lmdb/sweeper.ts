import type { Database } from 'lmdb'
import { recordExpiry } from './record'

/** Looks paid for by each written key: more than one, so that a table of dead keys shrinks while it is written to. */
const LOOKS_PER_WRITE = 2
/** Work is done in lots, so that a lot is large enough to choose from and small enough to hold nobody up. */
const LOT = 128
/** One lot costs about 150 microseconds. */
const MOST_LOTS = 8
/** Removed of one lot when there are too many keys: as many as may have been written for its looks. */
const ENOUGH = LOT / LOOKS_PER_WRITE
const HORIZON_STEP = 1.5

interface Entry {
  readonly key: string
  readonly expiresAt: number
}

/**
 * Walks round the table of states and removes what has expired; beyond `maxKeys` also what expires soonest, before a
 * horizon that is moved until the bound holds. Walking costs no index, and since every write pays for two looks, at most
 * about half of the table is dead.
 */
export class Sweeper {
  private position: string | undefined
  private owed = 0
  private horizonMs = 1000

  constructor(
    private readonly states: Database<Buffer, string>,
    private readonly maxKeys: number,
  ) {}

  /** Notes that keys were written. */
  owe(writes: number): void {
    this.owed += writes * LOOKS_PER_WRITE
  }

  get due(): boolean {
    return this.owed >= LOT
  }

  /** Works off what is owed, at most about a millisecond's worth, at least `lots`. Within a write transaction. Returns removals. */
  sweep(now: number, lots = 0): number {
    let removed = 0
    for (let lot = 0; lot < MOST_LOTS && (lot < lots || this.due); lot++) {
      removed += this.sweepLot(now)
      this.owed = Math.max(0, this.owed - LOT)
    }
    // Debts beyond that are forgiven but for one call's worth, lest a burst be swept for minutes.
    this.owed = Math.min(this.owed, LOT * MOST_LOTS)
    return removed
  }

  private sweepLot(now: number): number {
    const lot: Entry[] = []
    const start = this.position === undefined ? {} : { start: this.position, exclusiveStart: true }
    for (const { key, value } of this.states.getRange({ ...start, limit: LOT })) {
      lot.push({ key, expiresAt: recordExpiry(value) })
    }
    this.position = lot.length < LOT ? undefined : lot.at(-1)!.key
    const dead = lot.filter(({ expiresAt }) => expiresAt <= now)
    const excess = countKeys(this.states) - dead.length - this.maxKeys
    if (excess > 0) {
      const live = lot.filter(({ expiresAt }) => expiresAt > now)
      dead.push(...this.soonest(live, now, Math.min(excess, ENOUGH)))
    }
    for (const { key } of dead) this.states.removeSync(key)
    return dead.length
  }

  /** Those of a lot within the horizon, which moves until it yields just enough of the lots that come. */
  private soonest(live: Entry[], now: number, most: number): Entry[] {
    const soon = live.filter(({ expiresAt }) => expiresAt <= now + this.horizonMs)
    this.horizonMs = soon.length < ENOUGH ? this.horizonMs * HORIZON_STEP : Math.max(1, this.horizonMs / HORIZON_STEP)
    return soon.sort((a, b) => a.expiresAt - b.expiresAt).slice(0, most)
  }
}

export function countKeys(states: Database<Buffer, string>): number {
  return (states.getStats() as { entryCount: number }).entryCount
}

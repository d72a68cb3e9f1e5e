import type { Database } from 'lmdb'
import { recordExpiry } from './record'

/** Looks paid for by each written key: more than one, so that a table of dead keys shrinks while it is written to. */
const LOOKS_PER_WRITE = 2
/** Work is done in lots, so that a lot is large enough to choose from and small enough to hold nobody up. */
const LOT = 128
/** One lot costs about 150 microseconds, and as much again when there are too many keys. */
const MOST_LOTS = 8
const HORIZON_STEP = 2
/** Nothing is kept for longer than some months. */
const MOST_HORIZON_MS = 366 * 86_400_000

type StateTable = Database<Buffer, string>

/** Written states of two kinds that leave each other half of the room, see `room.ts`. */
export interface StateTables {
  readonly counters: StateTable
  readonly remembered: StateTable
}

/**
 * Walks round the tables of states and removes what has expired; beyond `maxKeys` also what expires soonest in the larger
 * one, before a horizon that is moved until the bound holds. Walking costs no index, and since every write pays for two
 * looks, at most about half of the keys are dead.
 */
export class Sweeper {
  private readonly counters: Walk
  private readonly remembered: Walk
  private current: Walk
  private owed = 0

  /** @param onFull Called each time that live keys were removed for want of room. */
  constructor(
    tables: StateTables,
    private readonly maxKeys: number,
    private readonly onFull: (now: number) => void = () => {},
  ) {
    this.counters = new Walk(tables.counters)
    this.remembered = new Walk(tables.remembered)
    this.current = this.counters
  }

  /** Notes that keys were written. */
  owe(writes: number): void {
    this.owed += writes * LOOKS_PER_WRITE
  }

  get due(): boolean {
    return this.owed >= LOT
  }

  /** Works off what is owed, at most some milliseconds' worth, at least `lots`. Within a write transaction. Returns removals. */
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
    if (this.current.keys === 0) this.turn()
    let removed = this.current.removeDead(now)
    if (this.current.atStart) this.turn()
    const [counters, remembered] = [this.counters.keys, this.remembered.keys]
    const excess = counters + remembered - this.maxKeys
    if (excess > 0) {
      const larger = counters < remembered ? this.remembered : this.counters
      const { dead, live } = larger.makeRoom(now, excess)
      removed += dead + live
      if (live > 0) this.onFull(now)
    }
    return removed
  }

  private turn(): void {
    this.current = this.current === this.counters ? this.remembered : this.counters
  }
}

interface Entry {
  readonly key: string
  readonly expiresAt: number
}

/** Round one table, lot by lot. */
class Walk {
  private position: string | undefined
  private horizonMs = 1000

  constructor(private readonly table: StateTable) {}

  get keys(): number {
    return countKeys(this.table)
  }

  /** Whether a round has ended. */
  get atStart(): boolean {
    return this.position === undefined
  }

  removeDead(now: number): number {
    return this.remove(this.nextLot().filter(({ expiresAt }) => expiresAt <= now))
  }

  /** Removes the dead of the next lot, and then at most `excess` keys in all, those that expire soonest. */
  makeRoom(now: number, excess: number): { dead: number; live: number } {
    const lot = this.nextLot()
    const dead = this.remove(lot.filter(({ expiresAt }) => expiresAt <= now))
    if (dead >= excess) return { dead, live: 0 }
    const live = lot.filter(({ expiresAt }) => expiresAt > now)
    return { dead, live: this.remove(this.soonest(live, now, excess - dead)) }
  }

  /** Those within the horizon, at most so many. It moves until the lots that come yield just enough of them. */
  private soonest(live: readonly Entry[], now: number, most: number): Entry[] {
    const soon = live.filter(({ expiresAt }) => expiresAt <= now + this.horizonMs)
    const enough = Math.min(most, LOT)
    if (soon.length < enough) this.horizonMs = Math.min(MOST_HORIZON_MS, this.horizonMs * HORIZON_STEP)
    else if (soon.length > enough) this.horizonMs = Math.max(1, this.horizonMs / HORIZON_STEP)
    return soon.sort((a, b) => a.expiresAt - b.expiresAt).slice(0, most)
  }

  private nextLot(): Entry[] {
    const lot: Entry[] = []
    const start = this.position === undefined ? {} : { start: this.position, exclusiveStart: true }
    for (const { key, value } of this.table.getRange({ ...start, limit: LOT })) {
      lot.push({ key, expiresAt: recordExpiry(value) })
    }
    this.position = lot.length < LOT ? undefined : lot.at(-1)!.key
    return lot
  }

  private remove(entries: readonly Entry[]): number {
    for (const { key } of entries) this.table.removeSync(key)
    return entries.length
  }
}

export function countKeys(table: StateTable): number {
  return (table.getStats() as { entryCount: number }).entryCount
}

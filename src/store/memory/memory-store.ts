import {
  type Ask,
  type Clock,
  type KeyState,
  type LeaseRef,
  type Ping,
  type Store,
  StoreError,
  type Verdict,
} from '../store'
import { type Table, countsOf, judgeBatch, releaseLease, renewLease } from '../engine/judge'
import { type State, expiryOf } from '../engine/state'

export interface MemoryStoreOptions {
  readonly clock?: Clock
  /** Beyond this many keys the one that was used longest ago is forgotten. */
  readonly maxKeys?: number
}

/** Everything in this process's memory: for tests, for simulations, and as the local share while Redis is out of reach. */
export class MemoryStore implements Store {
  readonly kind = 'memory'
  private readonly table: RecentTable
  private readonly clock: Clock
  private readonly listeners: ((key: string) => void)[] = []
  private closed = false

  constructor({ clock = Date.now, maxKeys = 1_000_000 }: MemoryStoreOptions = {}) {
    this.clock = clock
    this.table = new RecentTable(maxKeys, clock)
  }

  open(): Promise<void> {
    return Promise.resolve()
  }

  judge(asks: readonly Ask[]): Verdict {
    if (this.closed) throw new StoreError('STORE_CLOSED', 'the memory store is closed')
    const { committed, answers } = judgeBatch(this.table, asks, this.clock())
    return { committed, answers, degraded: false }
  }

  release(leases: readonly LeaseRef[]): void {
    for (const lease of leases) {
      const state = releaseLease(this.table.get(lease.key), lease)
      if (!state) continue
      if (state.holders.length === 0) this.table.delete(lease.key)
      else this.table.put(lease.key, state)
    }
  }

  renew(leases: readonly LeaseRef[], ttlMs: number): void {
    const now = this.clock()
    for (const lease of leases) {
      this.table.put(lease.key, renewLease(this.table.get(lease.key), lease, now, ttlMs))
    }
  }

  list(prefix: string, most: number): Promise<KeyState[]> {
    const now = this.clock()
    const found: KeyState[] = []
    for (const [key, state] of this.table.entries()) {
      if (found.length === most) break
      const expiresAt = expiryOf(state)
      if (!key.startsWith(prefix) || expiresAt <= now) continue
      found.push({ key, op: state.op, counts: countsOf(state, now), expiresAt })
    }
    return Promise.resolve(found)
  }

  reset(keys: readonly string[]): Promise<number> {
    let known = 0
    for (const key of keys) {
      if (this.table.delete(key)) known++
      for (const listener of this.listeners) listener(key)
    }
    return Promise.resolve(known)
  }

  ping(): Promise<Ping> {
    return Promise.resolve({ kind: this.kind, latencyMs: 0, clockSkewMs: 0, keys: this.table.size, detail: {} })
  }

  onReset(listener: (key: string) => void): void {
    this.listeners.push(listener)
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }

  closeNow(): void {
    this.closed = true
  }
}

/** How many of the oldest keys are looked at for expiry on each write: more than one, so that the table shrinks. */
const SWEEP_PER_PUT = 2

/** Bounded map in order of use. Each write sweeps a few of the longest unused keys, so that it holds little that is dead. */
class RecentTable implements Table {
  private readonly states = new Map<string, State>()

  constructor(
    private readonly maxKeys: number,
    private readonly clock: Clock,
  ) {}

  get size(): number {
    return this.states.size
  }

  get(key: string): State | undefined {
    return this.states.get(key)
  }

  put(key: string, state: State): void {
    this.states.delete(key)
    this.states.set(key, state)
    this.sweep()
  }

  delete(key: string): boolean {
    return this.states.delete(key)
  }

  entries(): IterableIterator<[string, State]> {
    return this.states.entries()
  }

  private sweep(): void {
    const now = this.clock()
    let looked = 0
    for (const [key, state] of this.states) {
      if (looked++ === SWEEP_PER_PUT) break
      if (expiryOf(state) <= now || this.states.size > this.maxKeys) this.states.delete(key)
      else break
    }
  }
}

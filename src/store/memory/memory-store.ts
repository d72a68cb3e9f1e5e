import {
  type Ask,
  type BoardChange,
  type BoardEntry,
  type Clock,
  type KeyState,
  type LeaseRef,
  type Ping,
  type Records,
  type Store,
  StoreError,
  type Verdict,
} from '../store'
import { Board, checkEntries, checkKeys } from '../board'
import { BoardListeners } from '../board-listeners'
import { describeKey } from '../engine/describe'
import { judgeBatch, releaseLease, renewLease } from '../engine/judge'
import { drainRate } from '../engine/rate'
import type { RateState } from '../engine/state'
import { BoundedTable } from './bounded-table'
import { MemoryRecords } from './memory-records'

export interface MemoryStoreOptions {
  readonly clock?: Clock
  /** Beyond this many keys some that expire soon are forgotten, see `room.ts`. */
  readonly maxKeys?: number
  /** Beyond this many entries of the board the soonest to expire go. */
  readonly maxBoardEntries?: number
  /** Beyond this many records no new one is taken: 100,000 unless said otherwise. */
  readonly maxRecords?: number | undefined
  /** Hears what an operator must read: that the store is full. */
  readonly onNotice?: (message: string) => void
}

/** Looked at for each new entry of the board: more than one, so that a board of dead entries shrinks. */
const PRUNED_PER_ENTRY = 2

/** Everything in this process's memory: for tests, for simulations, and as the local share while Redis is out of reach. */
export class MemoryStore implements Store {
  readonly kind = 'memory'
  readonly records: Records
  private readonly table: BoundedTable
  private readonly clock: Clock
  private readonly listeners: ((key: string) => void)[] = []
  private readonly board: Board
  private readonly boardListeners = new BoardListeners(() => this.board.read())
  private closed = false

  constructor({
    clock = Date.now,
    maxKeys = 1_000_000,
    maxBoardEntries,
    maxRecords,
    onNotice,
  }: MemoryStoreOptions = {}) {
    this.clock = clock
    this.table = new BoundedTable(maxKeys, clock, onNotice)
    this.board = new Board(clock, maxBoardEntries)
    this.records = new MemoryRecords(() => this.requireOpen(), clock, maxRecords)
  }

  open(): Promise<void> {
    this.boardListeners.tellAll()
    return Promise.resolve()
  }

  judge(asks: readonly Ask[]): Verdict {
    this.requireOpen()
    const { committed, answers } = judgeBatch(this.table, asks, this.clock())
    return { committed, answers, degraded: false }
  }

  release(leases: readonly LeaseRef[]): void {
    for (const lease of leases) {
      const state = releaseLease(this.table.get(lease.key), lease)
      // Also when nobody holds it any more: see BoundedTable. The hand removes it when it comes by.
      if (state) this.table.put(lease.key, state)
    }
  }

  renew(leases: readonly LeaseRef[], ttlMs: number): void {
    const now = this.clock()
    for (const lease of leases) {
      this.table.put(lease.key, renewLease(this.table.get(lease.key), lease, now, ttlMs))
    }
  }

  /**
   * Uses up the bucket of a `rate` ask so far that it is full in `leadMs` at the soonest: by what was reserved of it in
   * another store.
   */
  drain(key: string, leadMs: number): void {
    const known = this.table.get(key)
    const state: RateState = known?.op === 'rate' ? known : { op: 'rate', tat: 0, noted: false }
    drainRate(state, leadMs, this.clock())
    this.table.put(key, state)
  }

  list(prefix: string, most: number): Promise<KeyState[]> {
    const now = this.clock()
    const found: KeyState[] = []
    for (const [key, state] of this.table.entries()) {
      if (found.length === most) break
      const described = key.startsWith(prefix) ? describeKey(key, state, now) : undefined
      if (described) found.push(described)
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

  async post(entries: readonly BoardEntry[]): Promise<void> {
    checkEntries(entries)
    this.requireOpen()
    this.board.prune(PRUNED_PER_ENTRY * entries.length)
    this.boardListeners.tell(this.board.put(entries))
  }

  async withdraw(keys: readonly string[]): Promise<number> {
    checkKeys(keys)
    this.requireOpen()
    const changes = this.board.remove(keys)
    this.boardListeners.tell(changes)
    return changes.length
  }

  async readBoard(prefix: string, most: number): Promise<BoardEntry[]> {
    return this.board.read(prefix, most)
  }

  onBoard(listener: (change: BoardChange) => void): void {
    this.boardListeners.add(listener)
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }

  closeNow(): void {
    this.closed = true
  }

  private requireOpen(): void {
    if (this.closed) throw new StoreError('STORE_CLOSED', 'the memory store is closed')
  }
}

import {
  type Ask,
  type BoardChange,
  type BoardEntry,
  type Clock,
  type KeyState,
  type LeaseRef,
  type Ping,
  type Store,
  StoreError,
  type Verdict,
} from '../store'
import { Board, checkEntries, checkKeys } from '../board'
import { BoardListeners } from '../board-listeners'
import { describeKey } from '../engine/describe'
import { type Table, judgeBatch, releaseLease, renewLease } from '../engine/judge'
import { type State, expiryOf } from '../engine/state'

export interface MemoryStoreOptions {
  readonly clock?: Clock
  /** Beyond this many keys some that expire soon are forgotten. */
  readonly maxKeys?: number
  /** Beyond this many entries of the board the soonest to expire go. */
  readonly maxBoardEntries?: number
}

/** Everything in this process's memory: for tests, for simulations, and as the local share while Redis is out of reach. */
export class MemoryStore implements Store {
  readonly kind = 'memory'
  private readonly table: BoundedTable
  private readonly clock: Clock
  private readonly listeners: ((key: string) => void)[] = []
  private readonly board: Board
  private readonly boardListeners = new BoardListeners(() => this.board.read())
  private closed = false

  constructor({ clock = Date.now, maxKeys = 1_000_000, maxBoardEntries }: MemoryStoreOptions = {}) {
    this.clock = clock
    this.table = new BoundedTable(maxKeys, clock)
    this.board = new Board(clock, maxBoardEntries)
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
    this.board.prune(LOOKS_PER_KEY * entries.length)
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

/** How many keys are looked at for each new one: more than one, so that a table of dead keys shrinks. */
const LOOKS_PER_KEY = 2
/** The one that expires soonest of so many makes room when there are too many keys. */
const CHOICE = 8

/**
 * Bounded map of states. A hand goes round it: each new key pays for a look at some others, and those that have expired
 * are removed. A key in use is never removed to be put again, neither for an order of use nor when its last lease goes:
 * V8 leaves what was removed in the chain of its bucket until the whole Map is rebuilt, so a busy key would have to be
 * looked for behind thousands of its former selves.
 */
class BoundedTable implements Table {
  private readonly states = new Map<string, State>()
  private hand = this.states.entries()

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
    const before = this.states.size
    this.states.set(key, state)
    if (this.states.size > before) this.makeRoom()
  }

  delete(key: string): boolean {
    return this.states.delete(key)
  }

  entries(): IterableIterator<[string, State]> {
    return this.states.entries()
  }

  private makeRoom(): void {
    const now = this.clock()
    const full = this.states.size > this.maxKeys
    let soonest: string | undefined
    let soonestAt = Infinity
    for (let look = full ? CHOICE : LOOKS_PER_KEY; look > 0 && this.states.size > 0; look--) {
      const [key, state] = this.turnHand()
      const expiresAt = expiryOf(state)
      if (expiresAt <= now) this.states.delete(key)
      else if (expiresAt < soonestAt) [soonest, soonestAt] = [key, expiresAt]
    }
    if (this.states.size > this.maxKeys && soonest !== undefined) this.states.delete(soonest)
  }

  /** Of a table that is not empty. */
  private turnHand(): [string, State] {
    let step = this.hand.next()
    if (step.done) {
      this.hand = this.states.entries()
      step = this.hand.next()
    }
    return step.value as [string, State]
  }
}

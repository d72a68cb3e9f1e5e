import { Board, type BoardStep, keyOf } from '../board'
import { BoardListeners } from '../board-listeners'
import type { BoardChange, BoardEntry, Clock, Store } from '../store'

/** Keys whose change waits to be sent. Beyond it the one that was changed first is not sent to the others any more. */
const MOST_WAITING = 10_000
const STEPS_PER_CALL = 100
/** Calls that post again what the shared store has lost, each time that something is sent: beats wait for them. */
const LOST_CALLS = 20
/** Expired entries that go for each that comes. */
const LEAVE_PER_ENTRY = 2

/**
 * This process's copy of the board, on which it acts alone while the shared store is away. What it changes then waits, the
 * latest for each key, to be sent; until it is sent it stands above all that others say of that key. What the shared store
 * has lost is posted again, unless something else is said of that key meanwhile: a ban outlives a server that forgets.
 */
export class OutageBoard {
  readonly listeners = new BoardListeners(() => this.board.read())
  private readonly board: Board
  private readonly waiting = new Map<string, BoardStep>()
  /** What the shared store has lost, to be posted again: no more than the board holds. */
  private readonly lost = new Map<string, BoardEntry>()

  constructor(
    clock: Clock,
    private readonly onNotice: (message: string) => void = () => undefined,
  ) {
    this.board = new Board(clock)
  }

  /** Takes what the shared store says. */
  hear(change: BoardChange): void {
    if (change.kind === 'all') {
      if (change.lost) this.noteLost(change.entries)
      this.board.replace(change.entries)
      for (const step of this.waiting.values()) this.apply(step)
      for (const { key } of change.entries) this.lost.delete(key)
      this.board.put([...this.lost.values()])
      this.listeners.tellAll()
    } else {
      this.lost.delete(keyOf(change))
      if (!this.waiting.has(keyOf(change))) this.listeners.tell(this.apply(change))
    }
  }

  private noteLost(left: readonly BoardEntry[]): void {
    const keys = new Set(left.map(({ key }) => key))
    for (const entry of this.board.read()) {
      if (!keys.has(entry.key) && !this.waiting.has(entry.key)) this.lost.set(entry.key, entry)
    }
    if (this.lost.size === 0) return
    const entries = this.lost.size === 1 ? '1 entry that is' : `${this.lost.size} entries that are`
    const posted = this.lost.size === 1 ? 'a ban, is posted' : 'bans, are posted'
    this.onNotice(
      `the shared store has lost what was posted on its board: ${entries} still in force, such as ${posted} again`,
    )
  }

  post(entries: readonly BoardEntry[]): void {
    for (const entry of entries) this.wait({ kind: 'posted', entry })
    this.board.prune(LEAVE_PER_ENTRY * entries.length)
    this.listeners.tell(this.board.put(entries))
  }

  /** Returns how many were there. */
  withdraw(keys: readonly string[]): number {
    for (const key of keys) this.wait({ kind: 'withdrawn', key })
    const changes = this.board.remove(keys)
    this.listeners.tell(changes)
    return changes.length
  }

  read(prefix: string, most: number): BoardEntry[] {
    return this.board.read(prefix, most)
  }

  /** Before something later is said of these keys. */
  forgetWaiting(keys: readonly string[]): void {
    for (const key of keys) {
      this.waiting.delete(key)
      this.lost.delete(key)
    }
  }

  get settled(): boolean {
    return this.waiting.size === 0 && this.lost.size === 0
  }

  /** Sends what waits. Rejects at the first call that fails; what is not known to have arrived waits on. */
  async send(shared: Store): Promise<void> {
    for (let round = 0; round < MOST_WAITING / STEPS_PER_CALL && this.waiting.size > 0; round++) {
      const entries: BoardEntry[] = []
      const keys: string[] = []
      const steps = firstOf(this.waiting)
      for (const step of steps) {
        if (step.kind === 'posted') entries.push(step.entry)
        else keys.push(step.key)
      }
      if (entries.length > 0) await shared.post(entries)
      if (keys.length > 0) await shared.withdraw(keys)
      for (const step of steps) {
        if (this.waiting.get(keyOf(step)) === step) this.waiting.delete(keyOf(step))
      }
    }
    for (let call = 0; call < LOST_CALLS && this.lost.size > 0; call++) {
      const entries = firstOf(this.lost)
      await shared.post(entries)
      for (const { key } of entries) this.lost.delete(key)
    }
  }

  private apply(step: BoardStep): BoardStep[] {
    if (step.kind === 'withdrawn') return this.board.remove([step.key])
    this.board.prune(LEAVE_PER_ENTRY)
    return this.board.put([step.entry])
  }

  private wait(step: BoardStep): void {
    this.lost.delete(keyOf(step))
    this.waiting.set(keyOf(step), step)
    if (this.waiting.size <= MOST_WAITING) return
    for (const oldest of this.waiting.keys()) {
      this.waiting.delete(oldest)
      break
    }
  }
}

/** Those that have been in it for longest, as many as go into one call. */
function firstOf<T>(map: ReadonlyMap<string, T>): T[] {
  const first: T[] = []
  for (const value of map.values()) {
    if (first.push(value) === STEPS_PER_CALL) break
  }
  return first
}

import { Board, type BoardStep, keyOf } from '../board'
import { BoardListeners } from '../board-listeners'
import type { BoardChange, BoardEntry, Clock, Store } from '../store'

/** Keys whose change waits to be sent. Beyond it the one that was changed first is not sent to the others any more. */
const MOST_WAITING = 10_000
const STEPS_PER_CALL = 100
/** Expired entries that go for each that comes. */
const LEAVE_PER_ENTRY = 2

/**
 * This process's copy of the board, on which it acts alone while the shared store is away. What it changes then waits, the
 * latest for each key, to be sent; until it is sent it stands above all that others say of that key.
 */
export class OutageBoard {
  readonly listeners = new BoardListeners(() => this.board.read())
  private readonly board: Board
  private readonly waiting = new Map<string, BoardStep>()

  constructor(clock: Clock) {
    this.board = new Board(clock)
  }

  /** Takes what the shared store says. */
  hear(change: BoardChange): void {
    if (change.kind === 'all') {
      this.board.replace(change.entries)
      for (const step of this.waiting.values()) this.apply(step)
      this.listeners.tellAll()
    } else if (!this.waiting.has(keyOf(change))) {
      this.listeners.tell(this.apply(change))
    }
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
    for (const key of keys) this.waiting.delete(key)
  }

  get settled(): boolean {
    return this.waiting.size === 0
  }

  /** Sends what waits. Rejects at the first call that fails; what is not known to have arrived waits on. */
  async send(shared: Store): Promise<void> {
    for (let round = 0; round < MOST_WAITING / STEPS_PER_CALL && !this.settled; round++) {
      const entries: BoardEntry[] = []
      const keys: string[] = []
      const steps = this.longestWaiting()
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
  }

  private longestWaiting(): BoardStep[] {
    const steps: BoardStep[] = []
    for (const step of this.waiting.values()) {
      if (steps.push(step) === STEPS_PER_CALL) break
    }
    return steps
  }

  private apply(step: BoardStep): BoardStep[] {
    if (step.kind === 'withdrawn') return this.board.remove([step.key])
    this.board.prune(LEAVE_PER_ENTRY)
    return this.board.put([step.entry])
  }

  private wait(step: BoardStep): void {
    this.waiting.set(keyOf(step), step)
    if (this.waiting.size <= MOST_WAITING) return
    for (const oldest of this.waiting.keys()) {
      this.waiting.delete(oldest)
      break
    }
  }
}

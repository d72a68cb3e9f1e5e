import type { Timers } from '../timers'

export interface GateOptions {
  readonly timers: Timers
  /** Has a path try again. Must not throw. */
  readonly wake: (path: string) => void
}

/** Who was woken and does not try, since nothing waits there any more, keeps the others waiting no longer than this. */
const TURN_MS = 2000

/**
 * Holds the paths of this process that share a budget which is used up for now. When there is some again they try one after
 * another, each once in its turn, until it is used up again: a thousand paths that wait cost no more than one.
 */
export class Gate {
  /** By the timers' clock; undefined while the gate is open. */
  private until: number | undefined
  /** Those that wait, the next one first. */
  private readonly line = new Set<string>()
  private turn: string | undefined
  private stopTimer: (() => void) | undefined

  constructor(private readonly options: GateOptions) {}

  /** 0 when a path may try. Else in how long anybody may: it is woken when its turn has come. */
  waitOf(path: string): number {
    if (this.until === undefined || this.turn === path) return 0
    this.line.add(path)
    return this.closedForMs
  }

  /** In how long there is something again; 0 when the gate is open. */
  get closedForMs(): number {
    return this.until === undefined ? 0 : Math.max(1, this.until - this.options.timers.now())
  }

  /** There is nothing for so long. The path that has found out tries first then, if the turn was its own. */
  close(path: string, forMs: number): void {
    const isTurn = this.turn === path
    this.until = this.options.timers.now() + Math.max(1, forMs)
    this.turn = undefined
    if (isTurn) this.putFirst(path)
    else this.line.add(path)
    this.set(forMs, () => this.callNext())
  }

  /** A path has got what it asked for: it is the turn of the next one. */
  passed(path: string): void {
    if (this.turn === path) this.callNext()
  }

  /** Something has changed: there may be something now. */
  open(): void {
    if (this.until !== undefined) this.callNext()
  }

  stop(): void {
    this.stopTimer?.()
    this.stopTimer = undefined
    this.line.clear()
  }

  private callNext(): void {
    const [first] = this.line
    this.stopTimer?.()
    if (first === undefined) {
      this.until = undefined
      this.turn = undefined
      return
    }
    this.until = this.options.timers.now()
    this.line.delete(first)
    this.turn = first
    this.set(TURN_MS, () => this.callNext())
    this.options.wake(first)
  }

  private putFirst(path: string): void {
    const others = [...this.line]
    this.line.clear()
    for (const one of [path, ...others]) this.line.add(one)
  }

  private set(ms: number, call: () => void): void {
    this.stopTimer?.()
    this.stopTimer = this.options.timers.after(Math.max(1, Math.ceil(ms)), call)
  }
}

import type { Table } from '../engine/judge'
import type { State } from '../engine/state'

/**
 * The states that one process works on in memory, and which of them are not yet written down. Bounded without the cost
 * of ordering every use: states live in a young and an old generation, a use moves a state to the young one, and when
 * that is full it becomes the old one and the old one is let go. A changed state stays until it is written, whatever
 * generation it is in.
 */
export class StateCache implements Table {
  private young = new Map<string, State>()
  private old = new Map<string, State>()
  /** Changed and not yet written; undefined for a key that is to be removed. In order of the first change. */
  private readonly changed = new Map<string, State | undefined>()

  /** @param load Reads the written state of a key; asked on a miss. */
  constructor(
    private readonly load: (key: string) => State | undefined,
    private readonly mostStates: number,
  ) {}

  get unwritten(): number {
    return this.changed.size
  }

  get(key: string): State | undefined {
    const near = this.young.get(key)
    if (near !== undefined) return near
    const state = this.old.get(key) ?? (this.changed.has(key) ? this.changed.get(key) : this.load(key))
    if (state !== undefined) this.keep(key, state)
    return state
  }

  put(key: string, state: State): void {
    // A state that is noted is in `changed` and, judged a moment ago, in the young generation.
    if (state.noted) return
    state.noted = true
    if (this.young.get(key) !== state) this.keep(key, state)
    this.changed.set(key, state)
  }

  remove(key: string): void {
    this.young.delete(key)
    this.old.delete(key)
    this.changed.set(key, undefined)
  }

  /** The longest unwritten changes, at most `most`. They stay unwritten until {@link written} says otherwise. */
  changes(most: number): [string, State | undefined][] {
    const batch: [string, State | undefined][] = []
    for (const change of this.changed) {
      if (batch.length >= most) break
      batch.push(change)
    }
    return batch
  }

  written(changes: readonly (readonly [string, State | undefined])[]): void {
    for (const [key, state] of changes) {
      if (state) state.noted = false
      this.changed.delete(key)
    }
  }

  /** Forgets the longest unwritten changes beyond `most`; returns how many. For when they cannot be written for long. */
  dropUnwritten(most: number): number {
    const excess = this.changed.size - most
    if (excess > 0) this.written(this.changes(excess))
    return Math.max(0, excess)
  }

  clear(): void {
    this.young = new Map()
    this.old = new Map()
    this.changed.clear()
  }

  private keep(key: string, state: State): void {
    if (this.young.size * 2 >= this.mostStates) {
      this.old = this.young
      this.young = new Map()
    }
    this.young.set(key, state)
  }
}

/** Below this, in attempts a second, a path is forgotten. */
const LEAST = 0.001

/** How many attempts end on each path of late, a second: of two turns the later one counts as much as all before it. */
export class Pace {
  private readonly counts = new Map<string, number>()
  private readonly paces = new Map<string, number>()

  /** @param since milliseconds, of whatever clock {@link turn} is told by */
  constructor(private since: number) {}

  /** An attempt has ended. Bounded by the attempts of one turn. */
  note(path: string): void {
    this.counts.set(path, (this.counts.get(path) ?? 0) + 1)
  }

  /** Takes what was noted since the last turn into account. */
  turn(now: number): void {
    const seconds = (now - this.since) / 1000
    if (seconds <= 0) return
    this.since = now
    for (const path of new Set([...this.paces.keys(), ...this.counts.keys()])) {
      const lately = (this.counts.get(path) ?? 0) / seconds
      const before = this.paces.get(path)
      const pace = before === undefined ? lately : (before + lately) / 2
      if (pace >= LEAST) this.paces.set(path, pace)
      else this.paces.delete(path)
    }
    this.counts.clear()
  }

  of(path: string): number {
    return this.paces.get(path) ?? 0
  }
}

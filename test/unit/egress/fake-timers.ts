import type { Timers } from '../../../src/egress/timers'

/** A clock that goes when told to. What is due is called in order, and between two calls all promises settle. */
export class FakeTimers implements Timers {
  private at: number
  private readonly due: { at: number; call: () => void }[] = []

  constructor(start = 1_000_000) {
    this.at = start
  }

  now(): number {
    return this.at
  }

  after(ms: number, call: () => void): () => void {
    const entry = { at: this.at + ms, call }
    this.due.push(entry)
    return () => {
      const index = this.due.indexOf(entry)
      if (index >= 0) this.due.splice(index, 1)
    }
  }

  get pending(): number {
    return this.due.length
  }

  /** Time goes by in which nothing is called, as when the process is busy. */
  holdUp(ms: number): void {
    this.at += ms
  }

  async pass(ms: number): Promise<void> {
    const end = this.at + ms
    await settle()
    for (;;) {
      this.due.sort((a, b) => a.at - b.at)
      const [next] = this.due
      if (!next || next.at > end) break
      this.due.shift()
      this.at = Math.max(this.at, next.at)
      next.call()
      await settle()
    }
    this.at = end
  }
}

/** All promises that need nothing but each other: a turn of the real loop ends when they have settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

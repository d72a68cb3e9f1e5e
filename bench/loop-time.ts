import type { Timers } from '../src/egress/timers'

interface Due {
  readonly at: number
  /** Of two that are due at once the one that was asked for first goes first. */
  readonly turn: number
  call: (() => void) | undefined
}

/** Time that goes as fast as everything is done that is due: hours in seconds. Between two calls all promises settle. */
export class VirtualTime implements Timers {
  /** Milliseconds since 1970, so that it serves as a wall clock too. */
  readonly began = 1_700_000_000_000
  private at = this.began
  private turns = 0
  /** A heap, the first that is due at its root. */
  private readonly due: Due[] = []

  now(): number {
    return this.at
  }

  /** Milliseconds since the beginning. */
  get elapsed(): number {
    return this.at - this.began
  }

  after(ms: number, call: () => void): () => void {
    const due: Due = { at: this.at + Math.max(0, ms), turn: this.turns++, call }
    this.push(due)
    return () => (due.call = undefined)
  }

  /** As Haraka's queue of deferred mail does, which looks once a second for what is due. */
  afterSeconds(seconds: number, call: () => void): void {
    const dueMs = Math.ceil((this.elapsed + seconds * 1000) / 1000) * 1000
    this.after(dueMs - this.elapsed, call)
  }

  /** Goes on until `isOver`, nothing is due, or so much time has passed. */
  async run(isOver: () => boolean, mostMs: number): Promise<void> {
    await settled()
    while (!isOver()) {
      const next = this.pop()
      if (!next || next.at - this.began > mostMs) return
      if (!next.call) continue
      this.at = next.at
      next.call()
      await settled()
    }
  }

  private push(due: Due): void {
    const { due: heap } = this
    let place = heap.push(due) - 1
    while (place > 0) {
      const above = (place - 1) >> 1
      if (isBefore(heap[above]!, due)) break
      heap[place] = heap[above]!
      place = above
    }
    heap[place] = due
  }

  private pop(): Due | undefined {
    const { due: heap } = this
    const [first] = heap
    const last = heap.pop()
    if (!first || !last || heap.length === 0) return first
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++
      if (isBefore(last, heap[below]!)) break
      heap[place] = heap[below]!
      place = below
    }
    heap[place] = last
    return first
  }
}

function isBefore(one: Due, other: Due): boolean {
  return one.at < other.at || (one.at === other.at && one.turn < other.turn)
}

/** All promises that need nothing but each other. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Numbers from 0 up to 1 that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

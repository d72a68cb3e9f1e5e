import type { Table } from '../engine/judge'
import { type State, expiryOf } from '../engine/state'
import { FullNotice, isRemembered } from '../room'
import type { Clock } from '../store'

/** How many keys are looked at for each new one: more than one, so that a table of dead keys shrinks. */
const LOOKS_PER_KEY = 2
/** The one that expires soonest of so many makes room when there are too many keys. */
const CHOICE = 8

/** Bounded map of states, in two kinds that leave each other half of the room, see `room.ts`. */
export class BoundedTable implements Table {
  private readonly counters = new Ring()
  private readonly remembered = new Ring()
  private readonly notice: FullNotice

  constructor(
    private readonly maxKeys: number,
    private readonly clock: Clock,
    onNotice: (message: string) => void = () => {},
  ) {
    this.notice = new FullNotice(maxKeys, onNotice)
  }

  get size(): number {
    return this.counters.size + this.remembered.size
  }

  get(key: string): State | undefined {
    return this.counters.get(key) ?? this.remembered.get(key)
  }

  put(key: string, state: State): void {
    const [home, other] = isRemembered(state) ? [this.remembered, this.counters] : [this.counters, this.remembered]
    if (!home.put(key, state)) return
    other.delete(key)
    const now = this.clock()
    home.look(LOOKS_PER_KEY, now)
    if (this.size > this.maxKeys) this.makeRoom(now)
  }

  delete(key: string): boolean {
    const known = this.counters.delete(key)
    return this.remembered.delete(key) || known
  }

  *entries(): IterableIterator<[string, State]> {
    yield* this.counters.entries()
    yield* this.remembered.entries()
  }

  private makeRoom(now: number): void {
    const larger = this.counters.size < this.remembered.size ? this.remembered : this.counters
    const soonest = larger.look(CHOICE, now)
    if (this.size <= this.maxKeys || soonest === undefined) return
    larger.delete(soonest)
    this.notice.say(now)
  }
}

/**
 * A hand goes round it: each new key pays for a look at some others, and those that have expired are removed. A key in use
 * is never removed to be put again, neither for an order of use nor when its last lease goes: V8 leaves what was removed
 * in the chain of its bucket until the whole Map is rebuilt, so a busy key would have to be looked for behind thousands of
 * its former selves.
 */
class Ring {
  private readonly states = new Map<string, State>()
  private hand = this.states.entries()

  get size(): number {
    return this.states.size
  }

  get(key: string): State | undefined {
    return this.states.get(key)
  }

  /** Returns whether the key is new. */
  put(key: string, state: State): boolean {
    const before = this.states.size
    this.states.set(key, state)
    return this.states.size > before
  }

  delete(key: string): boolean {
    return this.states.delete(key)
  }

  entries(): IterableIterator<[string, State]> {
    return this.states.entries()
  }

  /** Looks at the next keys and removes those that have expired. Returns the one of the others that expires soonest. */
  look(keys: number, now: number): string | undefined {
    let soonest: string | undefined
    let soonestAt = Infinity
    for (let look = keys; look > 0 && this.states.size > 0; look--) {
      const [key, state] = this.turnHand()
      const expiresAt = expiryOf(state)
      if (expiresAt <= now) this.states.delete(key)
      else if (expiresAt < soonestAt) [soonest, soonestAt] = [key, expiresAt]
    }
    return soonest
  }

  /** Of a ring that is not empty. */
  private turnHand(): [string, State] {
    let step = this.hand.next()
    if (step.done) {
      this.hand = this.states.entries()
      step = this.hand.next()
    }
    return step.value as [string, State]
  }
}

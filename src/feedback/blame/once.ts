import type { Feedback } from '../feedback'
import { recipientKey } from '../recipient-key'

/** Recipients that were put off, and may be tried again; the oldest are forgotten. */
const MOST_DEFERRED = 100_000

/** How a recipient was counted last. */
interface Counted {
  readonly at: number
  readonly isBad: boolean
}

/**
 * Counts a recipient of a message once within the window, however often it is tried: two messages that are put off are a
 * dozen answers within an hour, and no reason to blame anybody.
 */
export class Once {
  private readonly deferred = new Map<number, Counted>()

  constructor(private readonly windowMs: () => number) {}

  /** What a word about a recipient adds; undefined: nothing. */
  of(
    said: Pick<Feedback, 'kind' | 'at' | 'origin' | 'recipient'>,
    isBad: boolean,
  ): Record<'all' | 'bad', 0 | 1> | undefined {
    const { kind, at } = said
    if (kind === 'complaint' || kind === 'unsubscribe') return { all: 1, bad: isBad ? 1 : 0 }
    const key = recipientKey(said)
    const known = this.deferred.get(key)
    const before = known && at - known.at < this.windowMs() ? known : undefined
    this.deferred.delete(key)
    if (kind === 'deferred') this.keep(key, { at: before?.at ?? at, isBad: isBad || before?.isBad === true })
    if (!before) return { all: 1, bad: isBad ? 1 : 0 }
    return isBad && !before.isBad ? { all: 0, bad: 1 } : undefined
  }

  private keep(key: number, counted: Counted): void {
    this.deferred.set(key, counted)
    if (this.deferred.size > MOST_DEFERRED) this.deferred.delete(this.deferred.keys().next().value!)
  }
}

import type { Attempt } from '../../egress/attempt'
import { Recent } from '../../egress/recent'
import type { Todo } from './queue-item'

/** The last attempt at a message. It may be under way. */
export interface LastAttempt {
  readonly attempt: Attempt
  /** When it began, in milliseconds since 1970. */
  readonly at: number
}

const MOST = 10_000

/**
 * The last attempt for each recipient of a message. Not for the message as a whole: it may have been split, and its parts
 * share the id that Haraka gave it.
 */
export class LastAttempts {
  private readonly known = new Recent<LastAttempt>(MOST)

  note({ uuid, rcpt_to: recipients }: Todo, last: LastAttempt): void {
    for (const { address } of recipients) this.known.set(`${uuid} ${address}`, last)
  }

  /** Undefined when there was none, or it is forgotten. */
  of({ uuid, rcpt_to: [first] }: Todo): LastAttempt | undefined {
    return first && this.known.get(`${uuid} ${first.address}`)
  }
}

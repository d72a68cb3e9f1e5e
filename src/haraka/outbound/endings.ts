import { rename } from 'node:fs/promises'
import path from 'node:path'
import type { EgressProfile } from '../../egress/profile'
import { type Lifetimes, hintOf, nextAttempt, timeLeft } from '../../egress/retry'
import { DENYSOFT, type Next } from '../types'
import { type Failure, type QueueItem, type Todo, isBounce, messageId } from './queue-item'

export interface EndingsOptions {
  readonly lifetimes: () => Lifetimes
  /** What holds for a message, or by default. */
  readonly retryOf: (item: QueueItem) => EgressProfile['retry']
  /** Haraka's own waits, which it reads again when outbound.ini changes. */
  readonly intervals: () => number[]
  /** Reads the file of a message anew after so long, and queues what it finds. */
  readonly readAgain: (item: QueueItem, afterMs: number) => void
  readonly onNotice: (message: string) => void
  readonly onFailure: (what: string, error: unknown) => void
  readonly clock?: () => number
}

/**
 * A message whose last attempt is due when its time ends is still tried when that comes a little late: the server may have
 * been down, or there may be a queue.
 */
const GRACE_MS = 10 * 60_000
/** A file that cannot be read is read again so often, each time after so much longer. */
const READS = 5
const REREAD_MS = 60_000

/** How messages end that were not delivered: put off, given up, sent back. */
export class Endings {
  private readonly clock: () => number
  /** How often the file of a message could not be read. */
  private readonly unreadable = new Map<string, number>()

  constructor(private readonly options: EndingsOptions) {
    this.clock = options.clock ?? Date.now
  }

  /** Too old to be tried once more. */
  isTooOld(todo: Todo): boolean {
    const deferred = { queuedAt: todo.queue_time, isBounce: isBounce(todo) }
    return timeLeft(this.options.lifetimes(), deferred, this.clock()) < -GRACE_MS
  }

  /**
   * Before an attempt: what an earlier one has left must not be taken for what this one says, and Haraka must not give the
   * message up for the number of its attempts.
   */
  prepare({ todo, num_failures: failures }: QueueItem): void {
    for (const recipient of todo?.rcpt_to ?? []) {
      for (const key of Object.keys(recipient)) {
        if (key.startsWith('dsn_')) delete (recipient as unknown as Record<string, unknown>)[key]
      }
    }
    const intervals = this.options.intervals()
    while (intervals.length < failures + 2) intervals.push(intervals.at(-1) ?? 300)
  }

  /** Hook deferred, the last to be asked: says when to try again, or sends back what is too old. */
  defer(next: Next, item: QueueItem, failure: Failure): void {
    if (!item.todo) return this.readAgain(item, failure)
    const { queue_time: queuedAt } = item.todo
    const plan = { ...this.options.retryOf(item), ...this.options.lifetimes() }
    const deferred = {
      attempts: item.num_failures,
      queuedAt,
      isBounce: isBounce(item.todo),
      hintMs: hintFor(item, failure),
    }
    const following = nextAttempt(plan, deferred, this.clock(), Math.random)
    if ('afterMs' in following) return next(DENYSOFT, String(Math.ceil(following.afterMs / 1000)))
    item.hooks_to_run = []
    item.convert_temp_failed_to_bounce(`given up after ${item.num_failures} attempts: ${failure.err}`, failure)
  }

  /** Sends back what waits, and is too old. */
  expire(item: QueueItem): void {
    item.convert_temp_failed_to_bounce('given up: it has waited too long')
  }

  /** Sends back what the provider does not take for its size. */
  refuseSize(item: QueueItem, most: number): void {
    for (const recipient of item.todo!.rcpt_to) {
      recipient.dsn_action = 'failed'
      recipient.dsn_status = '5.3.4'
      recipient.dsn_code = 552
      recipient.dsn_msg = `the message is larger than ${most} bytes, which is the most that its provider takes`
    }
    item.bounce(`larger than the ${most} bytes that its provider takes`)
  }

  /**
   * A file whose head cannot be read has no sender to tell, and Haraka would wait for ever to read it. It is read again
   * after a while, in case the system was at fault, and at last set aside under a name that Haraka leaves alone.
   */
  private readAgain(item: QueueItem, { err }: Failure): void {
    item.hooks_to_run = []
    const id = messageId(item.filename)
    const tries = (this.unreadable.get(id) ?? 0) + 1
    if (tries <= READS) {
      this.unreadable.set(id, tries)
      this.options.readAgain(item, REREAD_MS * tries)
      return item.next_cb()
    }
    this.unreadable.delete(id)
    const aside = path.join(path.dirname(item.path), `error.${item.filename}`)
    rename(item.path, aside)
      .then(
        () => this.options.onNotice(`${item.path} cannot be read and was set aside as ${path.basename(aside)}: ${err}`),
        (error: unknown) => this.options.onFailure(`setting ${item.path} aside`, error),
      )
      .finally(() => item.next_cb())
  }
}

/** The wait that the other side asked for, for any of the recipients. */
function hintFor({ todo }: QueueItem, { err = '' }: Failure): number {
  const texts = [err, ...todo!.rcpt_to.map(({ dsn_smtp_response }) => dsn_smtp_response ?? '')]
  return Math.max(...texts.map(hintOf))
}

import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import path from 'node:path'
import type { EgressProfile } from '../../egress/profile'
import { type Lifetimes, hintOf, nextAttempt, timeLeft } from '../../egress/retry'
import type { Store } from '../../store/store'
import { DENYSOFT, type Next, OK } from '../types'
import type { Untried } from './attempt-event'
import type { LastAttempt } from './last-attempts'
import { type Failure, type QueueItem, type QueuedRecipient, type Todo, isBounce, messageId } from './queue-item'
import type { Held } from '../suppressions'
import type { Reporter } from './reports'

export interface EndingsOptions {
  readonly lifetimes: () => Lifetimes & { readonly delayNoticeMs: number | undefined }
  /** What holds for a message, or by default. */
  readonly retryOf: (item: QueueItem) => EgressProfile['retry']
  /** How many times as long as that it waits, for how its path is doing; 1 as usual. */
  readonly stretchOf: (item: QueueItem) => number
  readonly lastAttempt: (item: QueueItem) => LastAttempt | undefined
  /** No host is asked in this attempt. */
  readonly onUntried: (item: QueueItem, why: Untried) => void
  /** How long a recipient is to be left alone for what he was answered, in ms; 0 where no rule says so. */
  readonly delayFor: (item: QueueItem) => number
  /** A message is tried again then. */
  readonly onDeferred: (item: QueueItem, at: number) => void
  /** It is not tried any more. */
  readonly onGivenUp: (item: QueueItem) => void
  /** Haraka's own waits, which it reads again when outbound.ini changes. */
  readonly intervals: () => number[]
  readonly reporter: Reporter
  readonly store: () => Store
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
/** When the report of a failure could not be queued, it is tried again after this. */
const REPORT_AGAIN_S = 300
/** Haraka's words (hmail.js, try_deliver). */
const NO_HOST_LEFT = 'Tried all MXs'
const NOT_REPORTED = 'the report to its sender could not be queued'

/** How messages end that were not delivered: put off, given up, sent back. */
export class Endings {
  private readonly clock: () => number
  /** How often the file of a message could not be read. */
  private readonly unreadable = new Map<string, number>()
  /** Given up for their age. */
  private readonly expired = new WeakSet<QueueItem>()

  /** Ended by order: what a server said before is not the cause. */
  private readonly ordered = new WeakSet<QueueItem>()

  /** Whose sender is known to have been told of a delay. */
  private readonly toldOf = new WeakSet<QueueItem>()

  constructor(private readonly options: EndingsOptions) {
    this.clock = options.clock ?? Date.now
  }

  /** Too old to be tried once more. */
  isTooOld(todo: Todo): boolean {
    return this.timeLeft(todo) < -GRACE_MS
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
    if (failure.err === NOT_REPORTED) return this.putOff(next, item, REPORT_AGAIN_S)
    // Haraka has left out every host, which it does for one reason alone, and does not say.
    const isUnasked = this.options.lastAttempt(item)?.attempt.hosts.length === 0
    if (failure.err === NO_HOST_LEFT && isUnasked) this.noteUntried(item, ownHosts(item.todo.domain))
    const { queue_time: queuedAt } = item.todo
    const plan = { ...this.options.retryOf(item), ...this.options.lifetimes(), stretch: this.options.stretchOf(item) }
    const hintMs = Math.max(hintFor(item, failure), this.options.delayFor(item))
    const deferred = { attempts: item.num_failures, queuedAt, isBounce: isBounce(item.todo), hintMs }
    const following = nextAttempt(plan, deferred, this.clock(), Math.random)
    if ('expired' in following) {
      item.hooks_to_run = []
      return this.giveUp(item, `given up after ${item.num_failures} attempts: ${failure.err}`, failure)
    }
    const seconds = Math.ceil(following.afterMs / 1000)
    if (!this.isLate(item)) return this.putOff(next, item, seconds)
    void this.tellOfDelay(item, failure.err ?? '').then(() => this.putOff(next, item, seconds))
  }

  /** Sends back what waits, and is too old. */
  expire(item: QueueItem): void {
    this.giveUp(item, 'given up: it has waited too long for its turn')
  }

  /**
   * Tells the sender once, over all attempts and restarts, when his message is late. Resolves when its file is not needed any
   * more: a new attempt gets another name. Never rejects.
   */
  async tellOfDelay(item: QueueItem, error: string): Promise<void> {
    const { lifetimeMs } = this.options.lifetimes()
    this.toldOf.add(item)
    const key = `egress_told|${messageId(item.filename)}`
    const once = { op: 'window', key, enforced: true, windows: [{ limit: 1, windowMs: lifetimeMs }], cost: 1 } as const
    try {
      const { committed } = await this.options.store().judge([once])
      if (committed) await this.report('delayed', item, error)
    } catch (trouble) {
      this.options.onFailure('telling of a delay', trouble)
    }
  }

  /** Whether the sender is to be told, as far as this process knows. */
  isLate(item: QueueItem): boolean {
    const { delayNoticeMs } = this.options.lifetimes()
    const todo = item.todo!
    if (delayNoticeMs === undefined || isBounce(todo) || this.toldOf.has(item)) return false
    return this.clock() - todo.queue_time >= delayNoticeMs
  }

  /** Ends an attempt in which no host is asked. */
  endUntried(item: QueueItem, untried: Untried): void {
    this.noteUntried(item, untried)
    if (untried.isFinal) item.bounce(untried.why)
    else item.temp_fail(untried.why)
  }

  /** Puts off for trouble of our own, however often it was tried: Haraka would send it back by the number of its attempts. */
  endForTrouble(item: QueueItem, why: string): void {
    this.prepare(item)
    item.temp_fail(why)
  }

  /** Sends back what is not to be sent to any of its recipients, for each by its own reason. */
  endHeld(item: QueueItem, held: readonly Held[]): void {
    const [first] = held
    if (first === undefined) throw new RangeError('nobody is held')
    const of = new Map(held.map(({ recipient, untried }) => [recipient, untried]))
    this.noteUntried(item, first.untried, (recipient) => of.get(recipient) ?? first.untried)
    item.bounce(first.untried.why)
  }

  private noteUntried(
    item: QueueItem,
    untried: Untried,
    untriedOf: (recipient: QueuedRecipient) => Untried = () => untried,
  ): void {
    for (const recipient of item.todo!.rcpt_to) {
      const { isFinal, status, why } = untriedOf(recipient)
      recipient.dsn_action = isFinal ? 'failed' : 'delayed'
      recipient.dsn_status = status
      recipient.dsn_code = isFinal ? 550 : 450
      recipient.dsn_msg = why
    }
    this.options.onUntried(item, untried)
  }

  /**
   * Sends back what whoever runs this server does not want to be tried any more. 5.7.1 (RFC 3463 §3.8): it is refused by
   * decision of a system on its way, for good; no server of the recipient's is to blame, and neither is time (5.4.7).
   */
  endByOrder(item: QueueItem, reason: string): void {
    const why = `The administrator of this mail server has ended its delivery${reason === '' ? '.' : `: ${reason}`}`
    for (const recipient of item.todo!.rcpt_to) {
      recipient.dsn_action = 'failed'
      recipient.dsn_status = '5.7.1'
      recipient.dsn_code = 550
      recipient.dsn_msg = why
    }
    this.ordered.add(item)
    item.bounce(why)
  }

  /** Hook bounce, the last to be asked: reports to the sender what has failed. The message stays until that is queued. */
  sendBack(next: Next, item: QueueItem, error: Error): void {
    // A bounce of a bounce is nobody's: Haraka says so and removes it.
    if (!item.todo || isBounce(item.todo)) return next()
    this.report('failed', item, error.message).then(
      () => next(OK),
      (trouble: unknown) => {
        this.options.onFailure('reporting a failure', trouble)
        item.hooks_to_run = []
        item.temp_fail(NOT_REPORTED)
      },
    )
  }

  private report(kind: 'failed' | 'delayed', item: QueueItem, error: string): Promise<void> {
    const last = this.options.lastAttempt(item)
    const hasExpired = this.expired.has(item)
    const retryUntil = this.clock() + this.timeLeft(item.todo!)
    const { reporter } = this.options
    return reporter.tell({
      kind,
      item,
      attempt: this.ordered.has(item) ? undefined : last?.attempt,
      lastAttemptAt: last?.at,
      hasExpired,
      retryUntil: kind === 'delayed' ? retryUntil : undefined,
      error,
    })
  }

  private putOff(next: Next, item: QueueItem, seconds: number): void {
    this.options.onDeferred(item, this.clock() + seconds * 1000)
    next(DENYSOFT, String(seconds))
  }

  private giveUp(item: QueueItem, why: string, failure?: Failure): void {
    this.expired.add(item)
    this.options.onGivenUp(item)
    item.convert_temp_failed_to_bounce(why, failure)
  }

  private timeLeft(todo: Todo): number {
    const { queue_time: queuedAt } = todo
    return timeLeft(this.options.lifetimes(), { queuedAt, isBounce: isBounce(todo) }, this.clock())
  }

  /**
   * A file whose head cannot be read has no sender to tell, and Haraka would wait for ever to read it. It is read again
   * after a while, in case the system was at fault, and at last set aside under a name that Haraka leaves alone.
   */
  private readAgain(item: QueueItem, { err }: Failure): void {
    item.hooks_to_run = []
    const id = messageId(item.filename)
    if (!existsSync(item.path)) {
      this.options.onNotice(`${item.filename} is gone before it was read`)
      return item.next_cb()
    }
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

/** A message that its provider does not take for its size. */
export function tooLarge(most: number): Untried {
  const why = `The message is larger than ${most} bytes, which is the most that its provider takes.`
  return { isFinal: true, status: '5.3.4', why }
}

/** RFC 3463 §3.8, as for all that a person has to look at. */
export function senderPaused(who: string, id: string): Untried {
  return {
    isFinal: false,
    status: '4.7.1',
    why: `Sending is paused here for ${who} until somebody has looked at it (${id}).`,
  }
}

/** RFC 3463 §3.5: a loop was found, here before it was begun. It may be of a mistake in DNS, and mended in time. */
function ownHosts(domain: string): Untried {
  const why = `Every mail server of ${domain} is this machine itself, to which it sends no mail.`
  return { isFinal: false, status: '4.4.6', why }
}

/** The wait that the other side asked for, for any of the recipients. */
function hintFor({ todo }: QueueItem, { err = '' }: Failure): number {
  const texts = [err, ...todo!.rcpt_to.map(({ dsn_smtp_response }) => dsn_smtp_response ?? '')]
  return Math.max(...texts.map(hintOf))
}

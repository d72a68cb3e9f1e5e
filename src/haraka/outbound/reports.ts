import { open } from 'node:fs/promises'
import { type Attempt, tellCause } from '../../egress/attempt'
import { type Cause, type DeliveryReport, MOST_HEADER_BYTES, deliveryReport } from '../../egress/dsn'
import { tellReply } from '../../egress/smtp-reply'
import type { QueueItem, QueuedRecipient } from './queue-item'

/** What is told of a message. */
export interface Told {
  readonly kind: DeliveryReport['kind']
  readonly item: QueueItem
  /** The last attempt; undefined when there was none, or its facts are forgotten. */
  readonly attempt: Attempt | undefined
  readonly lastAttemptAt: number | undefined
  readonly hasExpired: boolean
  readonly retryUntil: number | undefined
  /** What Haraka says, for when nothing else is known. */
  readonly error: string
}

export interface ReporterOptions {
  /** Our own name. */
  readonly host: () => string
  /** Queues a message from nobody; rejects when it cannot be queued. */
  readonly send: (to: NonNullable<QueueItem['todo']>['mail_from'], contents: string) => Promise<void>
  readonly clock?: () => number
}

/** Tells senders what became of their messages (RFC 3464). */
export class Reporter {
  constructor(private readonly options: ReporterOptions) {}

  /** Resolves when the report is queued, or nobody is to be told. Rejects when it cannot be. */
  async tell(told: Told): Promise<void> {
    const { kind, item, lastAttemptAt, hasExpired, retryUntil } = told
    const todo = item.todo!
    const now = (this.options.clock ?? Date.now)()
    const report = deliveryReport({
      kind,
      id: `${todo.uuid}.${kind}.${now}`,
      host: this.options.host(),
      sender: todo.mail_from.user ? todo.mail_from.address : '',
      recipients: todo.rcpt_to.map((recipient) => ({
        address: recipient.address,
        cause: causeFor(recipient, told),
        hasExpired,
        lastAttemptAt,
      })),
      now,
      arrivedAt: todo.queue_time,
      retryUntil,
      header: await readHeader(item),
    })
    if (report !== undefined) await this.options.send(todo.mail_from, report)
  }
}

function causeFor(recipient: QueuedRecipient, { attempt, error }: Told): Cause {
  const last = attempt?.lastCause
  const own = attempt?.recipients.find(({ address }) => address === recipient.address)
  // One that was accepted can still fail with all others: at DATA, or for what became of the connection.
  if (own?.reply && own.reply.code >= 400) {
    return { by: 'reply', reply: tellReply(own.reply), host: last?.host.host }
  }
  if (last?.kind === 'reply') return { by: 'reply', reply: tellReply(last.reply), host: last.host.host }
  if (last) return { by: 'us', text: `${tellCause(last)}.`, status: STATUS[last.failure], host: last.host.host }
  return { by: 'us', text: recipient.dsn_msg ?? error, status: recipient.dsn_status, host: undefined }
}

/** RFC 3463 §3.5, §3.8. */
const STATUS: Readonly<Record<string, string>> = {
  dns: '4.4.3',
  refused: '4.4.1',
  unreachable: '4.4.1',
  timeout: '4.4.1',
  reset: '4.4.2',
  closed: '4.4.2',
  tls: '4.7.5',
  protocol: '4.5.0',
}

/** The header of a message, as far as a report holds it. Empty when the file cannot be read: it is told of all the same. */
async function readHeader({ path, data_start: start }: QueueItem): Promise<Buffer> {
  try {
    const file = await open(path)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_HEADER_BYTES), 0, MOST_HEADER_BYTES, start)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch {
    return Buffer.alloc(0)
  }
}

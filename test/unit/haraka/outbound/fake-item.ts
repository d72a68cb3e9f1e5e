import { writeFileSync } from 'node:fs'
import { access } from 'node:fs/promises'
import path from 'node:path'
import type { Deliveries } from '../../../../src/haraka/outbound/deliveries'
import type { Failure, QueueItem, QueuedRecipient, Todo } from '../../../../src/haraka/outbound/queue-item'

export const QUEUED_AT = 1_790_000_000_000

export interface FakeOptions {
  readonly filename?: string
  readonly path?: string
  readonly recipients?: readonly string[]
  /** Empty: a bounce. */
  readonly sender?: string
  readonly domain?: string
  readonly uuid?: string
  readonly queuedAt?: number
  readonly bytes?: number
  readonly failures?: number
  /** The head of its file could not be read. */
  readonly unread?: boolean
}

let count = 0

/** A queued message without Haraka: it notes what is done to it. */
export class FakeItem {
  /** What it was told, in order. */
  readonly calls: string[] = []
  filename: string
  path: string
  todo: Todo | null
  file_size: number
  data_start = 100
  mxlist = []
  notes = {}
  num_failures: number
  hooks_to_run: unknown[] = ['a hook of Haraka']
  next_cb: () => void = () => void this.calls.push('over')
  get_mx: () => void = () => void this.calls.push('stock get_mx')
  failure: Failure | undefined

  constructor(options: FakeOptions = {}) {
    const { recipients = ['bob@far.test'], sender = 'ann@near.test', domain = 'far.test' } = options
    this.filename = options.filename ?? `${QUEUED_AT}_${QUEUED_AT + 1}_0_77_uid${count++}_1_host`
    this.path = options.path ?? `/nowhere/${this.filename}`
    this.num_failures = options.failures ?? 0
    this.file_size = 100 + (options.bytes ?? 1000)
    const [user = '', host = ''] = sender.split('@')
    this.todo =
      options.unread === true
        ? null
        : {
            domain,
            mail_from: { user, host, address: sender },
            rcpt_to: recipients.map((address) => addressed(address)),
            notes: {},
            queue_time: options.queuedAt ?? QUEUED_AT,
            uuid: options.uuid ?? `uuid-${this.filename}`,
          }
  }

  get item(): QueueItem {
    return this as unknown as QueueItem
  }

  get_mx_respond(code: number, mx?: unknown): void {
    this.calls.push(`get_mx ${code} ${JSON.stringify(mx)}`)
  }

  temp_fail(error: string, failure?: Failure): void {
    this.num_failures++
    this.failure = failure
    this.calls.push(`deferred: ${error}`)
  }

  bounce(error: string, failure?: Failure): void {
    this.failure = failure
    this.calls.push(`bounced: ${error}`)
  }

  convert_temp_failed_to_bounce(error: string, failure?: Failure): void {
    this.bounce(error, failure)
  }

  split_to_new_recipients(recipients: readonly QueuedRecipient[], _why: string, done: (item: QueueItem) => void): void {
    this.calls.push(`split ${recipients.length}`)
    done(new FakeItem({ recipients: recipients.map(({ address }) => address) }).item)
  }

  discard(): void {
    this.calls.push('discarded')
    this.next_cb()
  }
}

function addressed(address: string): QueuedRecipient {
  const [user = '', host = ''] = address.split('@')
  return { user, host, address }
}

/** All promises that need nothing but each other and files. */
export async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Whether a file is there is asked of the system: what was asked before this has been answered then. */
export async function systemAnswers(directory: string): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await Promise.all(Array.from({ length: 8 }, () => access(directory)))
    await settle()
  }
}

/** A message with a file, that Haraka hands over. */
export async function handOver(
  deliveries: Pick<Deliveries, 'admit'>,
  directory: string,
  options: FakeOptions,
  proceed: (fake: FakeItem) => void,
): Promise<FakeItem> {
  const fake = new FakeItem(options)
  fake.path = path.join(directory, fake.filename)
  writeFileSync(fake.path, 'x')
  deliveries.admit(fake.item, () => proceed(fake))
  await systemAnswers(directory)
  return fake
}

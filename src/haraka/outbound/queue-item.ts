import type { EnvelopeAddress, Logger } from '../types'
import type { HMail } from './types'

export { dueAt, messageId } from '../../egress/queue-file'

/** A recipient in the queue, with what Haraka notes of it for a bounce. */
export interface QueuedRecipient extends EnvelopeAddress {
  readonly address: string
  dsn_action?: string | undefined
  dsn_code?: number | undefined
  dsn_msg?: string | undefined
  dsn_status?: string | undefined
  dsn_smtp_code?: string | undefined
  dsn_smtp_extc?: string | undefined
  dsn_smtp_response?: string | undefined
  dsn_remote_mta?: string | undefined
}

/** What the head of a queue file holds. */
export interface Todo {
  readonly domain: string
  readonly mail_from: EnvelopeAddress & { readonly address: string }
  readonly rcpt_to: QueuedRecipient[]
  readonly notes: Record<string, unknown>
  /** When it was first queued, in milliseconds since 1970; splitting keeps it. */
  readonly queue_time: number
  readonly uuid: string
}

/** What Haraka hands to plugins with a message that could not be delivered just now, or at all. */
export interface Failure {
  readonly delay?: number
  readonly err?: string
  readonly mx?: object
}

/** HMailItem of outbound/hmail.js: one message on its way to one domain, as far as it is held and ended here. */
export interface QueueItem extends HMail, Logger {
  /** It has its queue time, its due time and its attempts in it, and changes with every attempt. */
  readonly filename: string
  readonly path: string
  /** Null when the head of the file could not be read. */
  readonly todo: Todo | null
  readonly file_size: number
  readonly data_start: number
  readonly notes: Record<string, unknown>
  num_failures: number
  /** Called once when an attempt has ended. Until it is held, it gives a slot of Haraka's own queue back. */
  next_cb: () => void
  hooks_to_run: unknown[]
  get_mx: () => void
  get_mx_respond(code: number, mx?: unknown): void
  temp_fail(error: string, failure?: Failure): void
  bounce(error: string, failure?: Failure): void
  convert_temp_failed_to_bounce(error: string, failure?: Failure): void
  split_to_new_recipients(recipients: readonly QueuedRecipient[], reason: string, done: (item: QueueItem) => void): void
  discard(): void
  /** `ready` when the head of the file was read. */
  once(event: 'ready' | 'error', listener: () => void): void
}

/** Gives Haraka's slot back: from now on the message waits with us, and what it ends with is told to `onEnd`. */
export function takeOver(item: QueueItem, onEnd: () => void): void {
  const giveBack = item.next_cb
  item.next_cb = onEnd
  giveBack()
}

/** A bounce, which is never bounced again (RFC 5321 §4.5.5). */
export function isBounce({ mail_from }: Todo): boolean {
  return !mail_from.user
}

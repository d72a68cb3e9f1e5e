/**
 * Haraka's queue files (outbound/qfile.js, outbound/index.js of Haraka 3): a name that says when and how often, and in the
 * file four bytes of length, a head of JSON, and the message.
 */

import { isObject } from './untrusted'

/** What the name of a queue file says. */
export interface QueueFileName {
  /** {@link messageId} */
  readonly id: string
  /** When it is, or was, to be tried, in milliseconds since 1970. */
  readonly dueAt: number
  /** Attempts so far. */
  readonly attempts: number
  /** When it was first queued, as far as the name says. */
  readonly queuedAt: number | undefined
}

/** What the head of a queue file says of a message, as far as it can be read. */
export interface QueueHead {
  readonly domain: string
  /** Envelope addresses; the null sender is empty. */
  readonly sender: string
  readonly recipients: readonly string[]
  readonly queuedAt: number | undefined
  /** Haraka's id of the delivery. */
  readonly uuid: string
  readonly notes: unknown
}

export type HeadReading = { readonly head: QueueHead } | { readonly problem: 'empty' | 'corrupt'; readonly why: string }

/** As much of `FileHandle` of node:fs/promises as is needed. */
export interface Readable {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>
}

/** A head with 100,000 recipients fits. */
const MOST_HEAD_BYTES = 32 * 1024 * 1024
/** Nearly all heads are shorter: one read is enough. */
const FIRST_BYTES = 8192
const LENGTH_BYTES = 4
const MOST_RECIPIENTS = 100_000

/**
 * Names a message through all its attempts and restarts: `TIME_RANDOM` of the file name, which has parts that change
 * (outbound/qfile.js). Two files of one name would be one message, delivered twice.
 */
export function messageId(filename: string): string {
  const parts = filename.split('_')
  return parts.length === 7 ? `${parts[0]}_${parts[4]}` : filename
}

/** When it was to be tried, in milliseconds since 1970, as its name says; 0 when that does not say. */
export function dueAt(filename: string): number {
  const parts = filename.split('_')
  return Number(parts[parts.length === 7 ? 1 : 0]) || 0
}

/** Undefined for what Haraka does not take for a queue file. */
export function readName(filename: string): QueueFileName | undefined {
  const parts = filename.split('_')
  if (parts.length === 4 && /^\d+_\d+_\d+_\d+\..*$/.test(filename)) {
    return { id: filename, dueAt: dueAt(filename), attempts: Number(parts[1]), queuedAt: undefined }
  }
  const isKnown = parts.length === 7 && parts.slice(0, 4).every((part) => /^\d{1,16}$/.test(part))
  if (!isKnown) return undefined
  const [queuedAt, due, attempts] = parts.map(Number)
  return { id: messageId(filename), dueAt: due!, attempts: attempts!, queuedAt }
}

/** Reads the head of a file, and nothing of the message. Rejects when the system does not let it be read. */
export async function readHead(file: Readable): Promise<HeadReading> {
  const first = await readUpTo(file, FIRST_BYTES, 0)
  if (first.length === 0) return { problem: 'empty', why: 'it has no bytes' }
  if (first.length < LENGTH_BYTES) return { problem: 'corrupt', why: 'it ends before its head begins' }
  const length = first.readUInt32BE(0)
  if (length > MOST_HEAD_BYTES) return { problem: 'corrupt', why: `its head would have ${length} bytes` }
  const missing = LENGTH_BYTES + length - first.length
  const rest = missing > 0 ? await readUpTo(file, missing, first.length) : Buffer.alloc(0)
  if (rest.length < missing) return { problem: 'corrupt', why: 'it ends within its head' }
  return parseHead(Buffer.concat([first, rest]).subarray(LENGTH_BYTES, LENGTH_BYTES + length))
}

async function readUpTo(file: Readable, length: number, position: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let filled = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled)
    filled += bytesRead
    if (bytesRead === 0 || filled === length) return buffer.subarray(0, filled)
  }
}

function parseHead(bytes: Buffer): HeadReading {
  let raw: unknown
  try {
    raw = JSON.parse(bytes.toString())
  } catch {
    return { problem: 'corrupt', why: 'its head is no JSON' }
  }
  if (!isObject(raw) || typeof raw.domain !== 'string' || !Array.isArray(raw.rcpt_to) || !isObject(raw.mail_from)) {
    return { problem: 'corrupt', why: 'its head has no domain, no sender or no recipients' }
  }
  const recipients = raw.rcpt_to.slice(0, MOST_RECIPIENTS).map(addressIn)
  if (recipients.length === 0) return { problem: 'corrupt', why: 'it has no recipients' }
  return {
    head: {
      domain: raw.domain,
      sender: addressIn(raw.mail_from),
      recipients,
      queuedAt: typeof raw.queue_time === 'number' ? raw.queue_time : undefined,
      uuid: typeof raw.uuid === 'string' ? raw.uuid : '',
      notes: raw.notes,
    },
  }
}

/** As Haraka writes an address. */
function addressIn(raw: unknown): string {
  if (!isObject(raw)) return ''
  const { user, host } = raw
  if (typeof user !== 'string' || user === '') return ''
  return typeof host === 'string' && host !== '' ? `${user}@${host}` : user
}

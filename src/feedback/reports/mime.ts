import PostalMime from 'postal-mime'
import type { Field } from './fields'

/** A message as far as a report needs it. */
export interface Mail {
  readonly header: readonly Field[]
  /** Its own words, of all text parts; what had only HTML without its tags. */
  readonly text: string
  /** What is no text of its own, in order: the parts of a report, what was sent back. What is in a returned message is not looked into. */
  readonly parts: readonly MailPart[]
}

export interface MailPart {
  /** In lower case, without parameters. */
  readonly type: string
  readonly content: Buffer
}

/**
 * Of a message no more is read: what a report says stands before the message that it sends back (RFC 6522 §3). Ten
 * thousand recipients have room.
 */
export const MOST_BYTES = 8 * 1024 * 1024
const MOST_LINES = 200_000
/** Lines that may begin a part. */
const MOST_DIVIDERS = 5000
/** Of a returned message. */
const MOST_RETURNED = 256 * 1024
const MOST_DEPTH = 20
const MOST_HEADER_BYTES = 512 * 1024
const MOST_PARTS = 50
const MOST_TEXT = 128 * 1024

/** Its first part may be anything, and text of what is in it is not ours to show. Rejects when it is nested too deep, or has too long a header. */
export async function readMail(message: Buffer): Promise<Mail> {
  const { headers, text, html, attachments } = await PostalMime.parse(headOf(message), {
    forceRfc822Attachments: true,
    maxNestingDepth: MOST_DEPTH,
    maxHeadersSize: MOST_HEADER_BYTES,
  })
  return {
    header: headers.map(({ key, value }) => ({ name: key, value })),
    text: (text ?? withoutTags(html ?? '')).slice(0, MOST_TEXT),
    parts: attachments
      .slice(0, MOST_PARTS)
      .map(({ mimeType, content }) => ({ type: mimeType, content: bytesOf(content) })),
  }
}

/** Each line costs the parser some hundred bytes of memory, however short it is, and each part some microseconds. */
function headOf(message: Buffer): Buffer {
  const head = withoutBody(message.subarray(0, MOST_BYTES))
  let lines = 0
  let dividers = 0
  for (let at = head.indexOf(10); at >= 0; at = head.indexOf(10, at + 1)) {
    if (head[at + 1] === DASH && head[at + 2] === DASH) dividers++
    if (++lines === MOST_LINES || dividers === MOST_DIVIDERS) return head.subarray(0, at + 1)
  }
  return head
}

const DASH = 0x2d

/** A message that is sent back is the last part, and its header alone matters; most of a large report is its body. */
function withoutBody(message: Buffer): Buffer {
  if (message.length <= MOST_RETURNED) return message
  const begin = /^content-type:[ \t]*message\/(?:rfc822|global)\b/im.exec(message.toString('latin1'))?.index
  return begin === undefined ? message : message.subarray(0, begin + MOST_RETURNED)
}

/** Each bracket is looked at once: none is searched for beyond the next. */
function withoutTags(html: string): string {
  return html
    .slice(0, 4 * MOST_TEXT)
    .replace(/<(?:br|\/p|\/div|\/tr|\/li)\b[^<>]*>/gi, '\n')
    .replace(/<[^<>]*>/g, '')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')
}

function bytesOf(content: ArrayBuffer | Uint8Array | string): Buffer {
  if (typeof content === 'string') return Buffer.from(content)
  return content instanceof Uint8Array
    ? Buffer.from(content.buffer, content.byteOffset, content.byteLength)
    : Buffer.from(content)
}

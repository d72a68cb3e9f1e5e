import { createHash } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import { isIP } from 'node:net'
import { wordsOf } from './dsn-words'
import { asciiLine, foldLine, hostText, isPlain, mailDate, quotedPrintable, replyLine } from './mail-text'

/** Why a recipient does not have the message: what a server said last, or what we found without one. */
export type Cause =
  | {
      readonly by: 'reply'
      /** With its code, `550 5.1.1 No such user`; of several lines all or the last. */
      readonly reply: string
      /** Name or address of the server. */
      readonly host: string | undefined
    }
  | {
      readonly by: 'us'
      /** A sentence for people, in English: `The connection to mx.example.net timed out.` */
      readonly text: string
      /** Enhanced code, RFC 3463, such as `5.4.4`. */
      readonly status: string | undefined
      readonly host: string | undefined
    }

export interface ReportedRecipient {
  /** As in RCPT; letters beyond ASCII may stand in it. */
  readonly address: string
  readonly cause: Cause
  /** It is given up since the message is too old, whatever the cause; matters only when the message has failed. */
  readonly hasExpired: boolean
  /** In milliseconds since 1970, as all times here. */
  readonly lastAttemptAt: number | undefined
}

/** What the sender of a message is to be told. */
export interface DeliveryReport {
  /** `failed`: no further attempt is made. `delayed`: it is still tried. */
  readonly kind: 'failed' | 'delayed'
  /** Different for each report. */
  readonly id: string
  /** Our own name. */
  readonly host: string
  /** Envelope sender of the message, whom the report is sent to; empty for a bounce. */
  readonly sender: string
  readonly recipients: readonly ReportedRecipient[]
  readonly now: number
  /** When the message was first queued. */
  readonly arrivedAt: number
  /** Until when a delayed message is tried. */
  readonly retryUntil: number | undefined
  /** The header of the message as it was queued. What follows it is passed over. */
  readonly header: Buffer
}

/** Of the header of a message no more is sent back. */
export const MOST_HEADER_BYTES = 65_536
const MOST_FIELD = 900
/** Field of all reports that we write. */
export const OWN_REPORT = 'X-Sluice-Report'

/**
 * A delivery status notification (RFC 3464, in the multipart/report of RFC 6522) as a whole message: ASCII, lines end
 * with CRLF, dots not doubled. To be sent from `<>` to the sender. Undefined when nobody is to be told: a bounce has no
 * sender (RFC 5321 §4.5.5), or there are no recipients to tell of.
 */
export function deliveryReport(report: DeliveryReport): string | undefined {
  if (/^<?>?$/.test(report.sender.trim()) || report.recipients.length === 0) return undefined
  const own = { ...report, host: hostText(report.host) || 'localhost', header: headerOf(report.header) }
  const parts = [
    textPart('text/plain', Buffer.from(wordsOf(own, (recipient) => statusOf(own.kind, recipient))), 'Notification'),
    part('message/delivery-status', 'Delivery report', statusFields(own)),
    textPart('text/rfc822-headers', own.header, 'Header of the message'),
  ]
  // What is made of the whole text cannot stand in it.
  const boundary = createHash('sha256').update(own.id).update(parts.join('')).digest('hex').slice(0, 40)
  const body = parts.map((one) => `--${boundary}\r\n${one}`).join('')
  return `${topOf(own, boundary)}\r\n${body}--${boundary}--\r\n`
}

const SUBJECTS = {
  failed: 'Your message could not be delivered',
  delayed: 'Your message is delayed, and still tried',
}

function topOf({ kind, id, host, sender, now, header }: DeliveryReport, boundary: string): string {
  const original = messageIdIn(header)
  const lines = [
    `From: Mail Delivery System <MAILER-DAEMON@${host}>`,
    `To: ${mailboxText(sender)}`,
    `Subject: ${SUBJECTS[kind]}`,
    `Date: ${mailDate(now)}`,
    `Message-ID: <${id.replace(/[^A-Za-z0-9.-]/g, '-').slice(0, 200)}@${host}>`,
    // What people's mail programs put with the message it is about.
    ...(original === undefined ? [] : [`In-Reply-To: ${original}`, `References: ${original}`]),
    'Auto-Submitted: auto-replied',
    // What comes back to us of it must not be taken for what somebody else has said.
    `${OWN_REPORT}: ${kind}`,
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"`,
  ]
  return lines.map((line) => `${line}\r\n`).join('')
}

/** An address as it may stand in a header of ASCII; the envelope says who gets the message. */
function mailboxText(address: string): string {
  return /^[\x20-\x7e]{1,900}$/.test(address) ? `<${address}>` : 'undisclosed-recipients:;'
}

function messageIdIn(header: Buffer): string | undefined {
  return /^Message-ID:[ \t]*(?:\r?\n[ \t]+)?(<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>)[ \t]*$/im.exec(
    header.toString('latin1'),
  )?.[1]
}

function statusFields(report: DeliveryReport): string {
  const { host, arrivedAt, recipients } = report
  const groups = [
    [`Reporting-MTA: dns; ${host}`, `Arrival-Date: ${mailDate(arrivedAt)}`],
    ...recipients.map((recipient) => recipientFields(report, recipient)),
  ]
  return groups.map((fields) => fields.map((field) => `${foldLine(field, ' ')}\r\n`).join('')).join('\r\n')
}

function recipientFields({ kind, retryUntil }: DeliveryReport, recipient: ReportedRecipient): string[] {
  const { cause, lastAttemptAt } = recipient
  const diagnostic =
    cause.by === 'reply'
      ? `smtp; ${replyLine(cause.reply, MOST_FIELD)}`
      : `x-sluice; ${asciiLine(cause.text, MOST_FIELD)}`
  const host = cause.host === undefined ? '' : hostText(cause.host)
  return [
    `Final-Recipient: ${addressField(recipient.address)}`,
    `Action: ${kind}`,
    `Status: ${statusOf(kind, recipient)}`,
    ...(host === '' ? [] : [`Remote-MTA: dns; ${isIP(host) === 0 ? host : `[${host}]`}`]),
    `Diagnostic-Code: ${diagnostic}`,
    ...(lastAttemptAt === undefined ? [] : [`Last-Attempt-Date: ${mailDate(lastAttemptAt)}`]),
    ...(kind === 'failed' || retryUntil === undefined ? [] : [`Will-Retry-Until: ${mailDate(retryUntil)}`]),
  ]
}

/**
 * An enhanced code (RFC 3463) of the class that the action has: what is given up is 5, what is still tried is 4, whatever
 * the server thought of it. Its subject and detail stand after the code of the reply.
 */
export function statusOf(kind: DeliveryReport['kind'], { cause, hasExpired }: ReportedRecipient): string {
  if (kind === 'failed' && hasExpired) return '5.4.7'
  const text = cause.by === 'us' ? (cause.status ?? '') : cause.reply.replace(/^\s*[245]\d\d[ -]/, '')
  const [, subject = 0, detail = 0] = /^\s*[245]\.(\d{1,3})\.(\d{1,3})(?!\S)/.exec(text) ?? []
  return `${kind === 'failed' ? 5 : 4}.${Number(subject)}.${Number(detail)}`
}

/** RFC 3464 §2.3.2; letters beyond ASCII as RFC 6533 §3 writes them in fields of ASCII. */
function addressField(address: string): string {
  const isInternational = /[^\x20-\x7e]/.test(address) && !/\p{C}/u.test(address)
  const encoded = isInternational ? address.replace(/[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]/gu, unicodeText) : ''
  if (encoded !== '' && encoded.length <= MOST_FIELD) return `utf-8; ${encoded}`
  return `rfc822; ${asciiLine(address, MOST_FIELD)}`
}

function unicodeText(character: string): string {
  return `\\x{${character.codePointAt(0)!.toString(16).toUpperCase().padStart(2, '0')}}`
}

/** Up to the empty line that ends the header, and no more than is sent back: cut where a line ends, if one does. */
function headerOf(message: Buffer): Buffer {
  const start = message.subarray(0, MOST_HEADER_BYTES)
  const text = start.toString('latin1')
  const end = /(?:^|\n)(?=\r?\n)/.exec(text)
  if (end) return start.subarray(0, end.index + end[0].length)
  if (message.length <= MOST_HEADER_BYTES) return start
  const lastLine = text.lastIndexOf('\n') + 1
  return lastLine > 0 ? start.subarray(0, lastLine) : start
}

/** As it is where mail can carry that, else quoted. */
function textPart(type: string, content: Buffer, description: string): string {
  const text = content.toString('latin1')
  if (isPlain(text))
    return part(type, description, text.replace(/\r?\n/g, '\r\n'), type === 'text/plain' ? 'us-ascii' : undefined)
  const charset = isUtf8(content) ? 'utf-8' : 'unknown-8bit'
  return part(type, description, quotedPrintable(content), charset, 'quoted-printable')
}

function part(type: string, description: string, text: string, charset?: string, encoding?: string): string {
  const lines = [
    `Content-Type: ${type}${charset === undefined ? '' : `; charset=${charset}`}`,
    `Content-Description: ${description}`,
    ...(encoding === undefined ? [] : [`Content-Transfer-Encoding: ${encoding}`]),
    '',
    text,
    '',
  ]
  return lines.join('\r\n')
}

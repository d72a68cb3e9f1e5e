import { OWN_REPORT } from '../../egress/dsn'
import { readDeliveryStatus } from './delivery-status'
import { readFeedbackReport } from './feedback-report'
import { addressIn, fieldOf, fieldsOf } from './fields'
import { type Mail, readMail } from './mime'
import { readOldBounce } from './old-bounce'
import type { Complaint, Report, UnheededWhy } from './report'
import { type Returned, ownWords, readReturned } from './returned'

/** What is known of a report besides its text. */
export interface Envelope {
  /** Envelope sender; empty for a bounce. */
  readonly sender: string
  /** What it was sent to, among the addresses of the configuration. */
  readonly address: 'bounces' | 'complaints' | 'unsubscribe'
  /** Header field by which our mail is traced. */
  readonly traceHeader: string
  /** Names by which our own servers report, in lower case. */
  readonly ownHosts: readonly string[]
}

/**
 * Reads a message that came to an address for reports. In time and memory that its size bounds, and {@link MOST_BYTES}.
 * Rejects when it is no message that can be read: nested too deep, a header that is too long.
 */
export async function readReport(message: Buffer, envelope: Envelope): Promise<Report> {
  return reportOf(await readMail(message), envelope)
}

function reportOf(mail: Mail, envelope: Envelope): Report {
  const returned = readReturned(mail, envelope.traceHeader)
  const tie = { trace: returned.trace, messageId: returned.messageId }
  const unheeded = (why: UnheededWhy, form = '-'): Report => ({ kind: 'unheeded', form, why, ...tie })
  // What we have said ourselves, the world has not.
  if (fieldOf(mail.header, OWN_REPORT.toLowerCase()) !== undefined) return unheeded('own')
  // Only mail of which nobody wants to hear again is a report; what is said of a report concerns no message.
  if (returned.isReport) return unheeded('loop')
  const complaint = complaintOf(mail, envelope, returned)
  if (complaint) {
    const { feedbackType } = complaint
    const isHeeded = COMPLAINTS.includes(feedbackType)
    if (feedbackType === 'opt-out') return { kind: 'unsubscribe', form: complaint.form, tokens: [], ...tie }
    return isHeeded ? { kind: 'complaint', ...complaint, ...tie } : unheeded('not_spam', complaint.form)
  }
  const bounce = bounceOf(mail, returned)
  if (bounce) {
    if (bounce.reporter !== undefined && envelope.ownHosts.includes(bounce.reporter))
      return unheeded('own', bounce.form)
    return isBounceSender(envelope.sender) ? { kind: 'bounce', ...bounce, ...tie } : unheeded('sender', bounce.form)
  }
  if (isAutomatic(mail)) return unheeded('auto_reply')
  if (envelope.address === 'unsubscribe') return { kind: 'unsubscribe', form: 'mailto', tokens: tokensIn(mail), ...tie }
  return unheeded('other')
}

/** RFC 5965 §7.3, RFC 6430, and what is called so in the field. `not-spam` and `auth-failure` are none. */
const COMPLAINTS = ['abuse', 'fraud', 'miscategorized', 'opt-out', 'other', 'virus', 'complaint', 'spam']

type Said = Omit<Complaint, 'kind' | 'trace' | 'messageId'>

function complaintOf({ parts, header }: Mail, { address }: Envelope, returned: Returned): Said | undefined {
  const part = parts.find(({ type }) => type === 'message/feedback-report')
  const fields = part && readFeedbackReport(part.content)
  if (fields)
    return { form: 'arf', ...fields, recipients: fields.recipients.length > 0 ? fields.recipients : namedIn(returned) }
  const named = fieldsOf(returned.header, 'x-hmxmroriginalrecipient', 100)
  if (
    named.length > 0 ||
    (address === 'complaints' && isSentBack(parts) && !hasStatus(parts) && !isAutomatic({ header }))
  ) {
    const recipients = named.length > 0 ? named.flatMap((value) => addressIn(value) ?? []) : namedIn(returned)
    const form = named.length > 0 ? 'jmrp' : 'attached'
    return { form, feedbackType: 'abuse', recipients, sourceIp: undefined, userAgent: undefined, domain: undefined }
  }
  return undefined
}

/** To whom the message was addressed, for reports that do not say to whom it went. */
function namedIn({ header }: Returned): string[] {
  return fieldsOf(header, 'to', 1)
    .flatMap((value) => value.split(',', 100))
    .flatMap((value) => addressIn(/<([^<>]{1,320})>/.exec(value)?.[1] ?? value) ?? [])
}

function isSentBack(parts: Mail['parts']): boolean {
  return parts.some(({ type }) => type === 'message/rfc822')
}

const STATUS_TYPES = ['message/delivery-status', 'message/global-delivery-status']

function hasStatus(parts: Mail['parts']): boolean {
  return parts.some(({ type }) => STATUS_TYPES.includes(type))
}

function bounceOf({ parts, text, header }: Mail, returned: Returned) {
  const part = parts.find(({ type }) => STATUS_TYPES.includes(type))
  if (part) {
    const { reporter, recipients } = readDeliveryStatus(part.content)
    if (recipients.length > 0) return { form: 'rfc3464', reporter, recipients }
  }
  // Words alone are believed only of what something came back with, or what says itself that it failed.
  const isReturn = returned.header.length > 0 || fieldOf(header, 'x-failed-recipients') !== undefined
  const old = isReturn ? readOldBounce(ownWords(text), header, fieldOf(header, 'subject') ?? '') : undefined
  return old && { ...old, reporter: undefined }
}

/** RFC 3464 §2: a report comes from nobody. Some servers write themselves. */
function isBounceSender(sender: string): boolean {
  return sender === '' || /^(?:mailer-daemon|postmaster|mail-daemon|mdaemon)@/i.test(sender)
}

/** RFC 3834 §5, and what programs write that are older than that or have not read it. */
function isAutomatic({ header }: Pick<Mail, 'header'>): boolean {
  const field = (name: string) => fieldOf(header, name)?.toLowerCase()
  const submitted = field('auto-submitted')
  if (submitted !== undefined && !submitted.startsWith('no')) return true
  if (['x-autoreply', 'x-autorespond', 'x-autoresponder'].some((name) => (field(name) ?? 'no') !== 'no')) return true
  if (field('x-auto-response-suppress') !== undefined || field('precedence') === 'auto_reply') return true
  return AUTOMATIC_SUBJECT.test(field('subject') ?? '')
}

const AUTOMATIC_SUBJECT =
  /^(?:auto(?:matic)?[ -]?(?:reply|response|antwort)|automatische antwort|out of (?:the )?office|abwesen|réponse automatique|respuesta automática|risposta automatica|read: |gelesen: )/i

const MOST_TOKENS = 5

/** In the subject that our link asks for, or wherever else the person's program has put it. */
function tokensIn({ header, text }: Mail): string[] {
  const where = `${(fieldOf(header, 'subject') ?? '').slice(0, 8000)} ${text.slice(0, 8000)}`
  return (where.match(/[A-Za-z0-9_-]{60,4000}/g) ?? []).slice(0, MOST_TOKENS)
}

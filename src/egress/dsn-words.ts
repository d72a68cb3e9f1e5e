import { asciiLine, foldLine, plainLine, replyLine } from './mail-text'
import type { DeliveryReport, ReportedRecipient } from './dsn'

/** What somebody reads who has never heard of SMTP. */
export function wordsOf(report: DeliveryReport, statusOf: (recipient: ReportedRecipient) => string): string {
  const { kind, host, recipients } = report
  const blocks = [
    `This is the mail server ${host}.`,
    kind === 'failed' ? sayFailed(report) : sayDelayed(report),
    ...recipients.map((recipient) => sayRecipient(recipient, kind, statusOf(recipient))),
    'What your mail administrator may want to know, and the header of your\r\nmessage, are attached.',
  ]
  return blocks.join('\r\n\r\n') + '\r\n'
}

function sayFailed(report: DeliveryReport): string {
  const text = `${sayMessage(report)} could not be delivered to the following. It is not tried any more; send it again when the reason is gone.`
  return foldLine(text, '')
}

function sayDelayed(report: DeliveryReport): string {
  const until = report.retryUntil === undefined ? '' : ` until ${sayDate(report.retryUntil)}`
  const text = `${sayMessage(report)} has not yet been delivered to the following. You need not do anything: it is tried again${until}. If that fails too, you are told.`
  return foldLine(text, '')
}

const SUBJECT = /^Subject:[ \t]*(.*(?:\r?\n[ \t].*)*)/im
const MOST_SUBJECT = 200

/** The subject only where it can be read without decoding it. */
function sayMessage({ header, arrivedAt }: DeliveryReport): string {
  const written = SUBJECT.exec(header.toString('latin1'))?.[1] ?? ''
  const isReadable = written !== '' && written.length <= MOST_SUBJECT && /^(?!.*=\?)[\t\r\n\x20-\x7e]*$/s.test(written)
  const subject = isReadable ? ` "${asciiLine(written, MOST_SUBJECT)}"` : ''
  return `Your message${subject} of ${sayDate(arrivedAt)}`
}

function sayDate(at: number): string {
  return new Date(at).toUTCString().replace('GMT', 'UTC')
}

const INDENT = '    '
const MOST_ADDRESS = 900
const MOST_SAID = 900

function sayRecipient(recipient: ReportedRecipient, kind: DeliveryReport['kind'], status: string): string {
  const { address, cause, hasExpired } = recipient
  const lines = [`<${plainLine(address, MOST_ADDRESS)}>`]
  const say = (text: string) => lines.push(INDENT + foldLine(text, INDENT))
  if (kind === 'failed' && hasExpired) say('It could not be delivered in time. The last attempt failed:')
  if (cause.by === 'us') say(asciiLine(cause.text, MOST_SAID))
  else {
    if (kind === 'failed' && !hasExpired) say(reasonOf(status))
    const who = cause.host === undefined ? "The recipient's server" : asciiLine(cause.host, MOST_ADDRESS)
    say(`${who} said: ${replyLine(cause.reply, MOST_SAID)}`)
  }
  return lines.join('\r\n')
}

/** By subject and detail of the enhanced code (RFC 3463, RFC 7504, RFC 7505). */
const REASONS: Readonly<Record<string, string>> = {
  ...{ '1.1': 'There is no such mailbox.', '1.6': 'The mailbox has moved.' },
  ...{ '1.2': 'There is no such domain.', '1.10': 'The domain takes no mail.' },
  '1.3': 'The address is not written as addresses are.',
  '2.1': 'The mailbox takes no mail.',
  '2.2': 'The mailbox is full.',
  ...{ '2.3': 'The message is too large.', '3.4': 'The message is too large.' },
  '4.4': 'No server was found that takes mail for the domain.',
  '4.6': 'The mail goes round in a circle between servers.',
}

function reasonOf(status: string): string {
  const [, subject, detail] = status.split('.')
  const reason = REASONS[`${subject}.${detail}`]
  if (reason !== undefined) return reason
  return subject === '7'
    ? "The rules of the recipient's server do not let the message pass."
    : "The recipient's server refuses the message."
}

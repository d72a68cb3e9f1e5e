import { asciiLine, foldLine, hostText, mailDate } from './mail-text'

export interface NoticeMail {
  /** Address of who is told. */
  readonly to: string
  /** Our own name. */
  readonly host: string
  readonly subject: string
  /** Different for each notice: letters, digits, dots and dashes. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** One that begins with two blanks, such as a command, stands in a line of its own. */
  readonly paragraphs: readonly string[]
}

const MOST_FIELD = 900

/**
 * A notice to a person as a whole message: ASCII, lines end with CRLF. To be sent from `<>`; no answer is wanted (RFC 3834
 * §5).
 */
export function noticeMail({ to, host, subject, id, at, paragraphs }: NoticeMail): string {
  const own = hostText(host) || 'localhost'
  const head = [
    `From: Mail Delivery System <MAILER-DAEMON@${own}>`,
    `To: <${to}>`,
    foldLine(`Subject: ${asciiLine(subject, MOST_FIELD)}`, ' '),
    `Date: ${mailDate(at)}`,
    `Message-ID: <${id}@${own}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
  ]
  return [...head, '', paragraphs.map(paragraph).join('\r\n\r\n'), ''].join('\r\n')
}

function paragraph(text: string): string {
  const line = asciiLine(text, MOST_FIELD)
  return text.startsWith('  ') ? `  ${line}` : foldLine(line, '')
}

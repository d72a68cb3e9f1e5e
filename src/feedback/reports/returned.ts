import { type Field, fieldOf, fieldsOf, readHeader } from './fields'
import type { Mail } from './mime'

/** What came back of the message that a report is about. */
export interface Returned {
  readonly trace: string | undefined
  readonly messageId: string | undefined
  /** The message was itself a report: whoever answers it answers an answer. */
  readonly isReport: boolean
  readonly header: readonly Field[]
}

const MESSAGE_TYPES = ['message/rfc822', 'message/global', 'message/partial']
const HEADER_TYPES = ['text/rfc822-headers', 'message/rfc822-headers', 'message/global-headers', 'text/rfc822-header']
const MOST_HEADER = 128 * 1024

/** Where servers that send no parts begin with the message itself. */
const COPY_BEGINS =
  /^[ \t>]*-{2,}[ \t]*(?:Below this line is (?:a copy|the original|the header)|This is a copy of (?:the|your) message|Original message follows|Unsent message (?:follows|below)|Message header follows|Returned message|Original message|The header of the original message)/im

/** From the parts that send it back, else from a copy within the text. */
export function readReturned({ parts, text }: Pick<Mail, 'parts' | 'text'>, traceHeader: string): Returned {
  const part =
    parts.find(({ type }) => MESSAGE_TYPES.includes(type)) ?? parts.find(({ type }) => HEADER_TYPES.includes(type))
  const header = part ? readHeader(startOf(part.content)) : readHeader(copyIn(text))
  const name = traceHeader.toLowerCase()
  const traces = fieldsOf(header, name, 2)
  const contentType = fieldOf(header, 'content-type') ?? ''
  return {
    // Of two nobody knows which is ours.
    trace: (traces.length === 1 && traces[0]!.replace(/\s+/g, '')) || undefined,
    messageId: fieldOf(header, 'message-id')?.slice(0, 300),
    isReport: /^\s*multipart\/report\b/i.test(contentType),
    header,
  }
}

/** What stands before the copy of the message: the report's own words. */
export function ownWords(text: string): string {
  const found = COPY_BEGINS.exec(text)
  return found ? text.slice(0, found.index) : text
}

function copyIn(text: string): string {
  const found = COPY_BEGINS.exec(text)
  if (!found) return ''
  const rest = text.slice(found.index + found[0].length)
  const line = rest.indexOf('\n')
  // A rule may be drawn below, and blank lines stand between.
  return line < 0 ? '' : rest.slice(line + 1).replace(/^(?:[ \t-]*\r?\n)+/, '')
}

function startOf(content: Buffer): string {
  return content.toString('utf8', 0, MOST_HEADER).replace(/^(?:[ \t]*\r?\n)+/, '')
}

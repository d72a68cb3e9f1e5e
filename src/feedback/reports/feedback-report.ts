import { addressIn, fieldOf, fieldsOf, readBlocks } from './fields'
import { type Complaint, MOST_RECIPIENTS } from './report'

const MOST_TEXT = 200

/** Reads the fields of a report of abuse (RFC 5965 §3). Undefined without a type, which it must have. */
export function readFeedbackReport(
  content: Buffer,
): Pick<Complaint, 'feedbackType' | 'recipients' | 'sourceIp' | 'userAgent' | 'domain'> | undefined {
  const fields = readBlocks(content.toString('utf8'), 10).flat()
  const feedbackType = fieldOf(fields, 'feedback-type')?.toLowerCase().slice(0, MOST_TEXT)
  if (feedbackType === undefined || feedbackType === '') return undefined
  const named = ['original-rcpt-to', 'removal-recipient'].flatMap((name) => fieldsOf(fields, name, MOST_RECIPIENTS))
  const text = (name: string) => fieldOf(fields, name)?.slice(0, MOST_TEXT)
  return {
    feedbackType,
    recipients: [...new Set(named.flatMap((value) => addressIn(value) ?? []))],
    sourceIp: text('source-ip'),
    userAgent: text('user-agent'),
    domain: text('reported-domain'),
  }
}

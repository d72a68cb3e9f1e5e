import { quoted, token } from './escape'
import type { FeedbackEvent } from './events'
import type { LineLog } from './line-log'

const MOST_REASON = 300
/** In the order of the line. */
const HEEDED = ['hard', 'soft', 'deferred', 'complaint', 'unsubscribe'] as const

/**
 * Writes what somebody has said of our mail: `name=value` pairs as `logLineReader` describes them, what others have a say in
 * last. What changes something is info; what does not, and is no machine's answer, a notice. A line for each message that
 * came, which is no more than Haraka's own.
 */
export function sayFeedback(event: FeedbackEvent, log: LineLog): void {
  const isQuiet = event.heeded.length > 0 || 'auto_reply' in event.ignored || 'repeated' in event.ignored
  if (!isQuiet) log.notice(feedbackLine(event))
  else if (log.writesInfo()) log.info(feedbackLine(event))
}

function feedbackLine(event: FeedbackEvent): string {
  const { report, form, via, heeded, ignored, tenant, account, campaign, message, ip, recipients, text } = event
  const sum = (what: string) => heeded.reduce((total, one) => total + (one.what === what ? one.count : 0), 0)
  const figures = HEEDED.map((what) => `${what}=${sum(what)}`).join(' ')
  const reasons = Object.entries(ignored)
  const count = reasons.reduce((total, [, each]) => total + each, 0)
  const why = reasons.map(([reason]) => reason).join(',')
  const providers = [...new Set(heeded.map(({ provider }) => provider ?? 'other'))].join(',')
  return (
    `feedback=${token(report)} form=${token(form)} via=${via} ${figures} ignored=${count} why=${token(why)}` +
    ` provider=${token(providers)} tenant=${token(tenant)} account=${token(account)} campaign=${token(campaign)}` +
    ` id=${token(message)} ip=${token(ip)} recipient=${token(recipients[0])}` +
    ` reason=${text === '' ? '-' : quoted(text, MOST_REASON)}`
  )
}

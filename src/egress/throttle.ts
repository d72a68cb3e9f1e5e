import type { Attempt, AttemptPhase } from './attempt'
import type { Outcome, OutcomeKind } from './controller-evidence'
import type { SmtpReply } from './smtp-reply'

/** The server has had enough of this session, not of us: another one may begin at once. */
const OF_THE_SESSION =
  /\b(?:idle|inactiv\w*|time-?d?\s?-?out|shutting down|going down|(?:per|this|same|one|a single) (?:smtp )?(?:connection|session))\b/i

/** The server wants less of us, by whatever connection. */
const OF_THE_SENDER =
  /\b4\.7\.\d|\b(?:rate|throttl\w*|too (?:many|much|fast|frequent\w*)|volume|quota|exceed\w*|limit\w*|deferr?\w*|reputation|block\w*|policy|spam|unsolicited|complain\w*|unusual)\b/i

/**
 * Whether a 421 on a session that was used before is about the sender (it must wait), rather than about the session, which
 * was idle or has carried enough. In doubt it is the session's: a new one then meets the same 421 if it was not.
 */
export function isThrottle(text: string): boolean {
  return !OF_THE_SESSION.test(text) && OF_THE_SENDER.test(text)
}

/** What greylisting says: about the one message, not about how much we send. */
const GREYLISTED = /gr[ae]y-?\s?list/i
/** Details of 4.7 that large providers use for rates and reputation (4.7.28, 4.7.500, 4.7.650); 4.7.0 and 4.7.1 say anything. */
const OF_RATES = /^4\.7\.\d{2}/
/** Status of a mailbox or an address (RFC 3463 §3.2, §3.3): about the recipient. */
const OF_THE_RECIPIENT = /^[245]\.[12]\./

/** What the answers to an attempt say of its path. Undefined: nothing. */
export function outcomeOf(
  { outcome, lastCause: cause }: Pick<Attempt, 'outcome' | 'lastCause'>,
  begunAt: number,
  at: number,
): Outcome | undefined {
  const when = { begunAt, at }
  if (!cause) return outcome.delivered > 0 ? { kind: 'delivered', ...when } : undefined
  if (cause.kind === 'failure') {
    // Our own limit, or DNS, which says nothing of the host.
    if (cause.failure === 'held' || cause.failure === 'dns') return undefined
    return { kind: 'unreachable', ...when, text: cause.text }
  }
  const { code, enhanced = '', text } = cause.reply
  return { kind: kindOf(cause.reply, cause.phase), ...when, code, text: `${enhanced} ${text}`.trim() }
}

function kindOf({ code, enhanced = '', text }: SmtpReply, phase: AttemptPhase): OutcomeKind {
  if (OF_THE_RECIPIENT.test(enhanced)) return 'bounced'
  if (code >= 500) return 'bounced'
  if (GREYLISTED.test(text)) return 'deferred'
  const isWhole = phase !== 'rcpt' && phase !== 'dot'
  const isAboutUs = (code === 421 && isWhole) || OF_RATES.test(enhanced) || OF_THE_SENDER.test(text)
  return isAboutUs ? 'throttled' : 'deferred'
}

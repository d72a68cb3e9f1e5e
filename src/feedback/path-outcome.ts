import type { Attempt } from '../egress/attempt'
import type { AttemptPhase } from '../policy/attempt-phase'
import type { Outcome, OutcomeKind } from '../egress/controller-evidence'
import type { FeedbackAnswer } from './feedback'
import type { ResponseClass } from './response-class'

/** The host has enough of us, or of what we send. */
const ABOUT_US: ReadonlySet<ResponseClass> = new Set(['rate', 'connections', 'reputation', 'listed'])
/** Says nothing of the path: another recipient or message may do well. */
const ABOUT_OTHERS: ReadonlySet<ResponseClass> = new Set(['invalid', 'disabled', 'mailbox_full', 'recipient_rate'])
/** Details of 4.7 that large providers use for rates and reputation (4.7.28, 4.7.500, 4.7.650); 4.7.0 and 4.7.1 say anything. */
const OF_RATES = /^4\.7\.\d{2}/

/** Large providers say no more than this code when they have enough of somebody (RFC 3463 §3.8: security or policy). */
const OF_POLICY = /^4\.7\./
const UNSAID: ReadonlySet<ResponseClass> = new Set(['unknown', 'busy', 'policy'])

/** Whether an answer of this class is about how much we send, or what we are known for. */
export function isAboutUs(responseClass: ResponseClass, enhanced = ''): boolean {
  return ABOUT_US.has(responseClass) || (UNSAID.has(responseClass) && OF_POLICY.test(enhanced))
}

/**
 * What the answers to an attempt say of its path. `answer`: the last cause, read; undefined when that was no answer. Undefined:
 * nothing.
 */
export function pathOutcome(
  { outcome, lastCause: cause }: Pick<Attempt, 'outcome' | 'lastCause'>,
  answer: FeedbackAnswer | undefined,
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
  return { kind: kindOf(answer, cause.reply.isPassing, cause.phase), ...when, code, text: `${enhanced} ${text}`.trim() }
}

function kindOf(answer: FeedbackAnswer | undefined, isPassing: true | undefined, phase: AttemptPhase): OutcomeKind {
  if (!answer) return 'deferred'
  const { responseClass, code, enhanced = '' } = answer
  if (ABOUT_OTHERS.has(responseClass)) return 'bounced'
  if (code >= 500 && !isPassing) return 'bounced'
  if (ABOUT_US.has(responseClass)) return 'throttled'
  if (responseClass === 'greylist' || responseClass === 'session_cap') return 'deferred'
  const isWhole = phase !== 'rcpt' && phase !== 'dot'
  return (code === 421 && isWhole) || OF_RATES.test(enhanced) ? 'throttled' : 'deferred'
}

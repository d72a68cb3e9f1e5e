import type { RecipientFacts } from '../../egress/attempt'
import type { SmtpReply } from '../../egress/smtp-reply'
import type { Answers } from '../../feedback/answers'
import type { Feedback, FeedbackAnswer, FeedbackKind, Origin } from '../../feedback/feedback'
import type { AttemptEnd } from './attempt-event'
import { labelOf } from './label'

/** What decided an attempt, read; undefined when that was no answer of another server: never what we ourselves say. */
export function answerTo(
  { attempt, path, untried }: Pick<AttemptEnd, 'attempt' | 'path' | 'untried'>,
  answers: Answers,
): FeedbackAnswer | undefined {
  const cause = attempt.lastCause
  if (untried || cause?.kind !== 'reply') return undefined
  return answers.read(cause.reply, cause.phase, path.provider)
}

/** What was said of each recipient in an attempt. Of a message that no host was asked for nobody has said anything. */
export function feedbackOf(end: AttemptEnd, answer: FeedbackAnswer | undefined, answers: Answers): Feedback[] {
  const { attempt, item, path, untried, givenUp, at } = end
  if (untried || attempt.hosts.length === 0) return []
  const origin = originOf(item)
  const { path: name, source, provider } = path
  const { recipients } = attempt
  const answerFor = answersOfEach(recipients, answer, answers, provider)
  return recipients.map((recipient) => {
    const kind: FeedbackKind = recipient.fate === 'deferred' && givenUp ? 'bounced' : recipient.fate
    const said = kind === 'delivered' ? undefined : answerFor(recipient)
    return {
      kind,
      at,
      via: 'session',
      origin,
      recipient: recipient.address,
      path: name,
      source,
      provider,
      answer: said,
    }
  })
}

/**
 * What each was told, or all together. `550 no such user` to a message for several says of none of them that he is not there:
 * nobody knows who is meant.
 */
function answersOfEach(
  recipients: readonly RecipientFacts[],
  answer: FeedbackAnswer | undefined,
  answers: Answers,
  provider: string | undefined,
): (recipient: RecipientFacts) => FeedbackAnswer | undefined {
  // After the dot all have the same, and there may be thousands.
  const known = new Map<SmtpReply, FeedbackAnswer>()
  const first = new Set<SmtpReply>()
  const shared = new Set<SmtpReply>()
  for (const { reply } of recipients) if (reply) (first.has(reply) ? shared : first).add(reply)
  const toAll = recipients.length > 1 ? answer && { ...answer, isHard: false } : answer
  return ({ reply, phase }) => {
    if (!reply || reply.code < 400) return toAll
    const before = known.get(reply)
    if (before) return before
    const read = answers.read(reply, phase, provider)
    const told = shared.has(reply) ? { ...read, isHard: false } : read
    known.set(reply, told)
    return told
  }
}

function originOf({ todo }: AttemptEnd['item']): Origin {
  const { tenant, account, campaign, client } = labelOf(todo!.notes, 'system')
  const sender = todo!.mail_from.user ? todo!.mail_from.address : ''
  return { tenant, account, campaign, client, sender, message: todo!.uuid }
}

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
  // After the dot all have the same, and there may be thousands.
  const known = new Map<SmtpReply, FeedbackAnswer>()
  const answerFor = ({ reply, phase }: RecipientFacts) => {
    if (!reply || reply.code < 400) return answer
    const read = known.get(reply) ?? answers.read(reply, phase, provider)
    known.set(reply, read)
    return read
  }
  return attempt.recipients.map((recipient) => {
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

function originOf({ todo }: AttemptEnd['item']): Origin {
  const { tenant, account, campaign, client } = labelOf(todo!.notes, 'system')
  const sender = todo!.mail_from.user ? todo!.mail_from.address : ''
  return { tenant, account, campaign, client, sender, message: todo!.uuid }
}

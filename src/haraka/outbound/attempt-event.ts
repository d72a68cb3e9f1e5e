import type { Attempt, HostFacts } from '../../egress/attempt'
import type { FeedbackAnswer } from '../../feedback/feedback'
import type { ResolvedPath } from '../../egress/rules'
import type { AttemptEvent } from '../../telemetry/events'
import { type QueueItem, messageId } from './queue-item'

/** Why no host was asked: for good, or for now. */
export interface Untried {
  readonly isFinal: boolean
  /** Enhanced code, RFC 3463. */
  readonly status: string
  /** A sentence, for the sender too. */
  readonly why: string
}

/** What is known of an attempt when it is over. Times in milliseconds since 1970. */
export interface AttemptEnd {
  readonly item: QueueItem
  readonly path: ResolvedPath
  readonly mailClass: string
  readonly tenant: string
  readonly attempt: Attempt
  /** No host was asked. */
  readonly untried: Untried | undefined
  readonly dueAt: number
  readonly beganAt: number
  readonly retryAt: number | undefined
  /** What was put off goes back to its sender: it is too old. */
  readonly givenUp: boolean
  readonly at: number
}

const MOST_RECIPIENTS = 10

/** `answer`: what decided, read; undefined when that was no answer of another server. */
export function attemptEvent(end: AttemptEnd, answer: FeedbackAnswer | undefined): AttemptEvent {
  const { item, path, attempt, at, beganAt } = end
  const todo = item.todo!
  const host = attempt.hosts.at(-1)
  const outcome = outcomeOf(end, todo.rcpt_to.length)
  return {
    kind: 'attempt',
    at,
    id: todo.uuid,
    file: messageId(item.filename),
    path: path.path,
    source: path.source,
    provider: path.provider,
    mailClass: end.mailClass,
    tenant: end.tenant,
    sender: todo.mail_from.user ? todo.mail_from.address : '',
    recipients: todo.rcpt_to.slice(0, MOST_RECIPIENTS).map(({ address }) => address),
    domain: todo.domain,
    ...outcome,
    attempts: item.num_failures + (outcome.deferred > 0 || end.givenUp ? 0 : 1),
    ageMs: Math.max(0, at - todo.queue_time),
    waitedMs: Math.max(0, beganAt - end.dueAt),
    tookMs: Math.max(0, at - beganAt),
    retryAt: end.retryAt,
    host: host?.host,
    ip: host?.ip,
    session: host?.session,
    tls: host?.tls?.version,
    verified: host?.tls?.verified ?? false,
    phasesMs: host?.phasesMs ?? {},
    ...(end.untried ? sayUntried(end.untried) : sayEnd(attempt, host)),
    ...{ about: answer?.responseClass, scope: answer?.scope, rule: answer?.rule },
  }
}

function outcomeOf({ attempt: { outcome }, untried, givenUp }: AttemptEnd, count: number): Attempt['outcome'] {
  if (untried) {
    const isOver = untried.isFinal || givenUp
    return { delivered: 0, deferred: isOver ? 0 : count, bounced: isOver ? count : 0 }
  }
  return givenUp ? { ...outcome, deferred: 0, bounced: outcome.bounced + outcome.deferred } : outcome
}

type Said = Pick<AttemptEvent, 'phase' | 'code' | 'enhanced' | 'text' | 'failure'>

function sayUntried({ status, why }: Untried): Said {
  return { phase: undefined, code: 0, enhanced: status, text: why, failure: undefined }
}

function sayEnd({ lastCause }: Attempt, host: HostFacts | undefined): Said {
  const end = lastCause ?? host?.end
  if (end?.kind === 'reply') return { phase: end.phase, ...end.reply, failure: undefined }
  if (end?.kind === 'failure') {
    return { phase: end.phase, code: 0, enhanced: undefined, text: end.text, failure: end.failure }
  }
  return { phase: undefined, code: 0, enhanced: undefined, text: 'no host was tried', failure: undefined }
}

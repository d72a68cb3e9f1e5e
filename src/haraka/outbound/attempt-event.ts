import type { Attempt, HostFacts } from '../../egress/attempt'
import type { ResolvedPath } from '../../egress/rules'
import type { AttemptEvent } from '../../telemetry/events'
import { type QueueItem, messageId } from './queue-item'

/** What is known of an attempt when it is over. Times in milliseconds since 1970. */
export interface AttemptEnd {
  readonly item: QueueItem
  readonly path: ResolvedPath
  readonly mailClass: string
  readonly tenant: string
  readonly attempt: Attempt
  readonly dueAt: number
  readonly beganAt: number
  readonly retryAt: number | undefined
  /** What was put off goes back to its sender: it is too old, or there is nowhere to send it. */
  readonly givenUp: boolean
  readonly at: number
}

const MOST_RECIPIENTS = 10

export function attemptEvent(end: AttemptEnd): AttemptEvent {
  const { item, path, attempt, at, beganAt } = end
  const todo = item.todo!
  const host = attempt.hosts.at(-1)
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
    ...outcomeOf(end),
    attempts: item.num_failures + (attempt.outcome.deferred > 0 ? 0 : 1),
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
    ...sayEnd(attempt, host),
  }
}

function outcomeOf({ attempt: { outcome }, givenUp }: AttemptEnd): typeof outcome {
  if (!givenUp) return outcome
  return { ...outcome, deferred: 0, bounced: outcome.bounced + outcome.deferred }
}

function sayEnd(
  { lastCause }: Attempt,
  host: HostFacts | undefined,
): Pick<AttemptEvent, 'phase' | 'code' | 'enhanced' | 'text' | 'failure'> {
  const end = lastCause ?? host?.end
  if (end?.kind === 'reply') return { phase: end.phase, ...end.reply, failure: undefined }
  if (end?.kind === 'failure') {
    return { phase: end.phase, code: 0, enhanced: undefined, text: end.text, failure: end.failure }
  }
  return { phase: undefined, code: 0, enhanced: undefined, text: 'no host was tried', failure: undefined }
}

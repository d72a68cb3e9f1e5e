/**
 * The delivery log's line format, version 1: one JSON object a line, UTF-8, ended by a line feed. There is one for every
 * attempt to deliver a message to one domain. What is empty, false or zero is left out.
 *
 * | field | what |
 * | --- | --- |
 * | `v` | 1 |
 * | `t` | when the attempt ended, in milliseconds since 1970 |
 * | `id` | Haraka's id of the transaction that queued it, a dot, a number for each domain |
 * | `file` | name of the queue file through all attempts: `1785849725000_aBcDeF` |
 * | `path` | `egress\|SOURCE\|DESTINATION` |
 * | `source`, `provider`, `class`, `tenant` | what it was sent from, to whom, how urgent, and whose it is |
 * | `sender`, `recipients` | envelope addresses in lower case; `<>` is the null sender; at most ten recipients |
 * | `domain` | of the recipients |
 * | `delivered`, `deferred`, `bounced` | how many recipients it ended how for |
 * | `attempts` | attempts so far, this one included |
 * | `age` | milliseconds since the message was first queued |
 * | `waited`, `took` | milliseconds that it waited for its path since it was due, and that the attempt took |
 * | `retry` | when it is tried again, in milliseconds since 1970; else it is not |
 * | `host`, `ip` | who was asked last |
 * | `session` | new or reused; else there was none |
 * | `tls`, `verified` | `TLSv1.3`; whether the certificate is good, and the host's |
 * | `phases` | milliseconds by phase: connect, greeting, hello, starttls, auth, mail, rcpt, data, block, dot |
 * | `phase` | where it ended |
 * | `code`, `enhanced`, `text` | the reply that decided, or what failed |
 * | `failure` | why there was no reply: refused, timeout, tls … |
 * | `about`, `scope`, `rule` | what the reply is about, whom, and the rule in responses.yaml that says so |
 *
 * Technical metadata only: no subject line, no body. Readers ignore fields they do not know.
 */
import type { AttemptEvent } from './events'
import { type RawRecord, readLine } from './journal-kind'
import { type AttemptResult, resultOfAttempt } from './result'

/** A line, read; fields that were left out are filled in. */
export interface DeliveryRecord {
  readonly v: 1
  readonly t: number
  readonly id: string
  /** Id of the session that the message came in by: the first part of `id`. */
  readonly intake: string
  readonly file: string
  readonly path: string
  readonly source: string
  readonly provider: string | undefined
  readonly class: string
  readonly tenant: string | undefined
  readonly sender: string
  readonly recipients: readonly string[]
  readonly domain: string
  readonly result: AttemptResult
  readonly delivered: number
  readonly deferred: number
  readonly bounced: number
  readonly attempts: number
  readonly age: number
  readonly waited: number
  readonly took: number
  readonly retry: number | undefined
  readonly host: string | undefined
  readonly ip: string | undefined
  readonly session: 'new' | 'reused' | undefined
  readonly tls: string | undefined
  readonly verified: boolean
  readonly phases: Readonly<Record<string, number>>
  readonly phase: string | undefined
  readonly code: number
  readonly enhanced: string | undefined
  readonly text: string
  readonly failure: string | undefined
  readonly about: string | undefined
  readonly scope: string | undefined
  readonly rule: string | undefined
}

/** No text in a line is longer, in UTF-16 units; replies come with at most as much. */
const MOST_TEXT = 1000
const MOST_RECIPIENTS = 10
const MOST_PHASES = 20

/** The line of one attempt, line feed included. */
export function deliveryLine(event: AttemptEvent): string {
  const { id, file, path, source, tenant, recipients, domain, text } = event
  const line = {
    v: 1,
    t: whole(event.at),
    ...{ id: cut(id), file: cut(file), path: cut(path), source: cut(source) },
    ...{ provider: cut(event.provider), class: cut(event.mailClass), tenant: cut(tenant) },
    sender: event.sender === '' ? '<>' : cut(event.sender.toLowerCase()),
    recipients: recipients.slice(0, MOST_RECIPIENTS).map((recipient) => cut(recipient.toLowerCase() || '<>')),
    domain: cut(domain.toLowerCase()),
    ...{ delivered: event.delivered, deferred: event.deferred, bounced: event.bounced },
    ...{ attempts: event.attempts, age: whole(event.ageMs), waited: whole(event.waitedMs), took: whole(event.tookMs) },
    retry: event.retryAt === undefined ? undefined : whole(event.retryAt),
    ...{ host: cut(event.host?.toLowerCase()), ip: event.ip, session: event.session },
    ...{ tls: cut(event.tls), verified: event.verified },
    phases: Object.fromEntries(
      Object.entries(event.phasesMs)
        .slice(0, MOST_PHASES)
        .map(([name, ms]) => [name, whole(ms)]),
    ),
    ...{ phase: event.phase, code: event.code, enhanced: cut(event.enhanced), text: cut(text), failure: event.failure },
    ...{ about: event.about, scope: event.scope, rule: cut(event.rule) },
  }
  return JSON.stringify(line, (key, value: unknown) => (key !== '' && isLeftOut(value) ? undefined : value)) + '\n'
}

function isLeftOut(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0
  return value === '' || value === false || value === 0
}

function cut<T extends string | undefined>(text: T): T | string {
  return text === undefined || text.length <= MOST_TEXT ? text : text.slice(0, MOST_TEXT) + '…'
}

function whole(ms: number): number {
  return Math.round(ms)
}

/** Reads a line without its line feed; undefined for anything that is no line of version 1. */
export function parseDeliveryLine(line: string): DeliveryRecord | undefined {
  const raw = readLine<DeliveryRecord>(line)
  if (!raw) return undefined
  if (![raw.id, raw.file, raw.path, raw.sender].every((text) => typeof text === 'string')) return undefined
  const { recipients = [], phases = {} } = raw
  if (!Array.isArray(recipients) || !recipients.every((recipient) => typeof recipient === 'string')) return undefined
  if (typeof phases !== 'object' || phases === null) return undefined
  return filledIn(raw)
}

function filledIn(raw: RawRecord<DeliveryRecord>): DeliveryRecord {
  const { delivered = 0, deferred = 0, bounced = 0 } = raw
  return {
    v: 1,
    t: raw.t!,
    id: raw.id!,
    intake: raw.id!.split('.', 1)[0]!,
    file: raw.file!,
    path: raw.path!,
    source: raw.source ?? '',
    provider: raw.provider,
    class: raw.class ?? '',
    tenant: raw.tenant,
    sender: raw.sender!,
    recipients: raw.recipients ?? [],
    domain: raw.domain ?? '',
    result: resultOfAttempt({ delivered, deferred, bounced }),
    delivered,
    deferred,
    bounced,
    attempts: raw.attempts ?? 0,
    age: raw.age ?? 0,
    waited: raw.waited ?? 0,
    took: raw.took ?? 0,
    retry: raw.retry,
    host: raw.host,
    ip: raw.ip,
    session: raw.session,
    tls: raw.tls,
    verified: raw.verified ?? false,
    phases: raw.phases ?? {},
    phase: raw.phase,
    code: raw.code ?? 0,
    enhanced: raw.enhanced,
    text: raw.text ?? '',
    failure: raw.failure,
    ...{ about: raw.about, scope: raw.scope, rule: raw.rule },
  }
}

/**
 * The decision log's line format, version 1: one JSON object a line, UTF-8, ended by a line feed. What is empty, false
 * or zero is left out, and what nearly every line would say: there is one for every stage of every session.
 *
 * | field | what |
 * | --- | --- |
 * | `v` | 1 |
 * | `t` | when, in milliseconds since 1970 |
 * | `stage` | connect, command, mail, rcpt, rcpt_ok, data or data_post |
 * | `id` | Haraka's id of the transaction: that of the session, a dot, a number; before MAIL that of the session |
 * | `ip`, `trusted` | the client's address; whether it is in a trusted network |
 * | `direction` | submission; else the client is a stranger: inbound |
 * | `account`, `tenant`, `helo` | who it says or has proved to be |
 * | `sender`, `recipient` | envelope addresses, folded as keys are; `<>` is the null sender |
 * | `size` | bytes of the message, at data_post |
 * | `age` | milliseconds since the session began |
 * | `recipients`, `errors`, `junk` | the session's counters at that moment |
 * | `result` | delay, defer or reject: the gravest of the decisions; else all was accepted |
 * | `degraded` | true when this process judged by its own share of the limits |
 * | `decisions` | what was found over a limit, see {@link RecordedDecision} |
 * | `factor` | by how much reputation multiplied the limits of the client; else 1. Only with decisions |
 * | `score` | `{source, name, weight}`: what spoke for and against the client, where that was added up |
 * | `exempt` | `{rule, because}` of rules that did not apply |
 *
 * Technical metadata only: no subject line, no body. Readers ignore fields they do not know.
 */
import type { Decision, Exemption, Outcome, Remedy } from '../policy/decision'
import { modeText } from '../policy/mode'
import type { Signal } from '../policy/signal'
import type { Direction, Stage } from '../policy/subject'
import { type RawRecord, readLine } from './journal-kind'
import { type Result, resultOf } from './result'

export interface RecordedDecision {
  readonly ref: string
  readonly rule: string
  readonly plugin: string
  /** off, shadow, `canary 10%` or enforce. */
  readonly mode: string
  readonly action: Result
  /** What the rule would have done; only where it was not done. */
  readonly remedy?: Remedy
  readonly enforced: boolean
  readonly key: string
  readonly count: number
  readonly limit: number
  /** 0 where no window applies. */
  readonly windowMs: number
  /** 0 when unknown; `Infinity`, written as null, when the same attempt can never succeed. */
  readonly retryAfterMs: number
  readonly reason: Decision['reason']
}

/** A line, read; fields that were left out are filled in. */
export interface DecisionRecord {
  readonly v: 1
  readonly t: number
  readonly stage: Stage
  readonly id: string
  readonly ip: string
  readonly trusted: boolean
  readonly direction: Direction
  readonly account: string | undefined
  readonly tenant: string | undefined
  readonly helo: string | undefined
  readonly sender: string | undefined
  readonly recipient: string | undefined
  readonly size: number
  /** Id of the session: the first part of `id`. */
  readonly session: string
  readonly started: number
  readonly recipients: number
  readonly errors: number
  readonly junk: number
  readonly result: Result
  readonly degraded: boolean
  readonly decisions: readonly RecordedDecision[]
  readonly exempt: readonly Exemption[]
  readonly score: readonly Signal[]
  readonly factor: number
}

/** No text in a line is longer, in UTF-16 units: the protocol's own limits lie below (RFC 5321 §4.5.3.1). */
const MOST_TEXT = 512

/** The line of one judged stage, line feed included. Put together by hand: this is done for every stage of every session. */
export function decisionLine(outcome: Outcome): string {
  const { subject, decisions, exemptions, degraded, score } = outcome
  const { client, session, account, tenant, helo, sender, recipient } = subject
  let line = `{"v":1,"t":${subject.at},"stage":"${subject.stage}","id":${text(subject.id)},"ip":"${client.ip}"`
  if (client.trusted) line += ',"trusted":true'
  if (subject.direction !== 'inbound') line += `,"direction":"${subject.direction}"`
  if (account !== undefined) line += `,"account":${text(account)}`
  if (tenant !== undefined) line += `,"tenant":${text(tenant)}`
  if (helo !== undefined) line += `,"helo":${text(helo)}`
  if (sender !== undefined) line += `,"sender":${text(sender.address)}`
  if (recipient !== undefined) line += `,"recipient":${text(recipient.address)}`
  if (subject.sizeBytes > 0) line += `,"size":${subject.sizeBytes}`
  if (subject.at > session.startedAt) line += `,"age":${subject.at - session.startedAt}`
  if (session.recipients > 0) line += `,"recipients":${session.recipients}`
  if (session.errors > 0) line += `,"errors":${session.errors}`
  if (session.junk > 0) line += `,"junk":${session.junk}`
  if (decisions.length > 0) line += `,"result":"${resultOf(outcome)}"`
  if (degraded) line += ',"degraded":true'
  if (decisions.length > 0 && subject.limitFactor !== 1)
    line += `,"factor":${Math.round(subject.limitFactor * 100) / 100}`
  if (decisions.length > 0) line += `,"decisions":${JSON.stringify(decisions.map(recorded))}`
  if (score && score.parts.length > 0) line += `,"score":${JSON.stringify(score.parts)}`
  if (exemptions.length > 0) line += `,"exempt":[${exemptions.map(exemptionText).join()}]`
  return line + '}\n'
}

/** No quote, backslash, control character or half of a surrogate pair: JSON takes it as it is. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

function text(value: string): string {
  if (value.length > MOST_TEXT) return JSON.stringify(value.slice(0, MOST_TEXT) + '…')
  return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value)
}

function recorded(decision: Decision): RecordedDecision {
  const { ref, rule, action, enforced, key, count, limit, windowMs, retryAfterMs, reason } = decision
  return {
    ref,
    rule: rule.name,
    plugin: rule.plugin,
    mode: modeText(rule.mode),
    action,
    ...(action === 'accept' ? { remedy: rule.remedy } : {}),
    enforced,
    key,
    count,
    limit,
    windowMs,
    retryAfterMs,
    reason,
  }
}

function exemptionText({ rule, because }: Exemption): string {
  return `{"rule":${text(rule)},"because":${text(because)}}`
}

/** Reads a line without its line feed; undefined for anything that is no line of version 1. */
export function parseDecisionLine(line: string): DecisionRecord | undefined {
  const raw = readLine<DecisionRecord>(line)
  if (!raw) return undefined
  if (!hasTexts(raw, ['stage', 'id', 'ip'])) return undefined
  const record = filledIn(raw)
  if (!isListOf(record.exempt, ['rule', 'because'])) return undefined
  if (!isListOf(record.score, ['source', 'name'])) return undefined
  if (!isListOf(record.decisions, ['ref', 'rule', 'plugin', 'mode', 'action', 'key', 'reason'])) return undefined
  return record.decisions.length === 0 ? record : { ...record, decisions: record.decisions.map(withFigures) }
}

/** Named one by one: spreading what JSON.parse made costs more than parsing it. */
function filledIn(raw: RawRecord<DecisionRecord> & { readonly age?: number }): DecisionRecord {
  return {
    v: 1,
    t: raw.t!,
    stage: raw.stage!,
    id: raw.id!,
    ip: raw.ip!,
    trusted: raw.trusted ?? false,
    direction: raw.direction ?? 'inbound',
    account: raw.account,
    tenant: raw.tenant,
    helo: raw.helo,
    sender: raw.sender,
    recipient: raw.recipient,
    size: raw.size ?? 0,
    session: raw.id!.split('.', 1)[0]!,
    started: raw.t! - (raw.age ?? 0),
    recipients: raw.recipients ?? 0,
    errors: raw.errors ?? 0,
    junk: raw.junk ?? 0,
    result: raw.result ?? 'accept',
    degraded: raw.degraded ?? false,
    decisions: raw.decisions ?? [],
    exempt: raw.exempt ?? [],
    score: raw.score ?? [],
    factor: raw.factor ?? 1,
  }
}

function isListOf(list: unknown, texts: readonly string[]): boolean {
  return (
    Array.isArray(list) &&
    list.every((entry: unknown) => typeof entry === 'object' && entry !== null && hasTexts(entry, texts))
  )
}

function hasTexts(value: object, names: readonly string[]): boolean {
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'string')
}

/** JSON knows no `Infinity`, and writes null instead. */
function withFigures(decision: RecordedDecision): RecordedDecision {
  const { count, limit, windowMs, retryAfterMs } = decision
  return {
    ...decision,
    count: Number(count),
    limit: Number(limit),
    windowMs: Number(windowMs),
    retryAfterMs: (retryAfterMs as number | null) === null ? Infinity : Number(retryAfterMs),
  }
}

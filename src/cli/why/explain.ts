import type { LimitRule } from '../../gates/limits/rule'
import { sayDuration } from '../../policy/say'
import { addUp } from '../../policy/signal'
import type { DecisionRecord, RecordedDecision } from '../../telemetry/decision-record'
import { oneLine } from '../../telemetry/escape'
import { humanTime } from '../terminal'
import { adviceFor } from './advice'

export interface ExplainContext {
  readonly now: number
  /** What the configuration in force says of a rule; undefined when it has no such rule, or cannot be read. */
  readonly ruleOf: (name: string) => LimitRule | undefined
  /** ` --dir DIR` for the commands that are proposed, or nothing. */
  readonly dirOption: string
}

/** One record as lines for a person: what happened, then each of the decisions. */
export function explain(
  record: DecisionRecord,
  decisions: readonly RecordedDecision[],
  context: ExplainContext,
): string[] {
  const when = `${utc(record.t)}, ${humanTime(Math.max(0, context.now - record.t))} ago`
  const lines = [`${when}: ${oneLine(whatOf(record))} ${cameTo(record)}`]
  for (const decision of decisions) lines.push(...explainDecision(record, decision, context))
  if (record.score.length > 0) lines.push(line('score', scoreText(record)))
  if (record.exempt.length > 0) lines.push(line('exempt', exemptText(record)))
  lines.push(line('client', clientText(record)))
  return lines
}

/** `7.5: dnsbl zen.example 5, rdns no_ptr 2, spf spf_softfail 0.5` */
function scoreText({ score }: DecisionRecord): string {
  const parts = score.map(({ source, name, weight }) => `${source} ${name} ${figure(weight)}`)
  return `${figure(addUp(score).total)}: ${parts.join(', ')}`
}

/** `2026-08-04 13:22:05 UTC` */
export function utc(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ') + ' UTC'
}

function whatOf({ stage, ip, sender, recipient, size }: DecisionRecord): string {
  const from = sender === undefined ? '' : ` (sender ${sender})`
  switch (stage) {
    case 'connect':
      return `a connection from ${ip}`
    case 'command':
      return `a command from ${ip}`
    case 'mail':
      return `MAIL FROM:${bracketed(sender)} from ${ip}`
    case 'rcpt':
    case 'rcpt_ok':
      return `RCPT TO:${bracketed(recipient)} from ${ip}${from}`
    case 'data':
      return `DATA from ${ip}${from}`
    case 'data_post':
      return `a message of ${sizeText(size)} from ${ip}${from}`
  }
}

function bracketed(address: string | undefined): string {
  return address === undefined || address === '<>' ? '<>' : `<${address}>`
}

function cameTo({ result, decisions }: DecisionRecord): string {
  switch (result) {
    case 'accept':
      if (decisions.length === 0) return 'was accepted'
      return `was accepted, though ${despite(decisions)}`
    case 'drop':
      return 'was accepted, and the message does not go there'
    case 'delay':
      return decisions.some(({ reason }) => reason === 'overload')
        ? 'was held for a moment'
        : 'was held until a slot was free'
    case 'defer':
      return 'was deferred: the client may try again'
    case 'reject':
      return 'was refused for good'
  }
}

function despite(decisions: readonly RecordedDecision[]): string {
  const isAll = (wanted: RecordedDecision['reason']) => decisions.every(({ reason }) => reason === wanted)
  if (isAll('overload')) return 'the server was overloaded'
  if (isAll('suppressed')) return 'it is suppressed'
  return isAll('paused') ? 'it is paused' : 'over a limit'
}

function explainDecision(record: DecisionRecord, decision: RecordedDecision, context: ExplainContext): string[] {
  const rule = context.ruleOf(decision.rule)
  const advice = adviceFor(record, decision, rule, context.dirOption)
  return [
    line('reference', decision.ref),
    line('rule', `${decision.rule} (${modeWords(decision)})`),
    line('counted', countedText(record, decision, rule)),
    line('key', decision.key),
    line('free', freeText(record, decision, context.now)),
    ...advice.map((text, index) => line(index === 0 ? 'do' : '', text)),
  ]
}

function modeWords({ mode, action, remedy }: RecordedDecision): string {
  if (action !== 'accept') return mode
  const outside = mode.startsWith('canary') ? ', this key is outside that share' : ''
  return `${mode}${outside}: enforced, it would ${remedy ?? 'defer'}`
}

function countedText(record: DecisionRecord, decision: RecordedDecision, rule: LimitRule | undefined): string {
  const { count, limit, windowMs } = decision
  const share = record.degraded ? ', by the share of one process: the shared store was out of reach' : ''
  if (decision.reason === 'store_unreachable') return 'nothing: the shared store was out of reach (on_error: defer)'
  if (decision.reason === 'overload') return overloadText(decision)
  if (decision.reason === 'ban') return `banned for ${sayDuration(windowMs)}`
  if (decision.reason === 'suppressed') return 'nothing: the address is on the suppression list'
  if (decision.reason === 'paused') return 'nothing: an order holds back what this sender sends'
  if (decision.reason === 'score') return `${figure(count)} points, the threshold is ${figure(limit)}`
  if (decision.reason === 'dnsbl') return `${figure(count)} points of DNS lists, the threshold is ${figure(limit)}`
  if (decision.reason === 'rdns') return 'no reverse name of its IPv6 address'
  if (decision.reason === 'greylist') return `no message of this sender for this recipient yet, from there`
  if (decision.rule === 'session_length') {
    return `the session had lasted ${sayDuration(count)}, the limit is ${sayDuration(limit)}`
  }
  const what = rule?.count ?? nounFor(decision)
  if (what === 'bytes') return `${sizeText(count)} in ${sayDuration(windowMs)}, the limit is ${sizeText(limit)}${share}`
  const amount = what === undefined ? figure(count) : `${figure(count)} ${count === 1 ? what.slice(0, -1) : what}`
  const span = windowMs > 0 ? `in ${sayDuration(windowMs)}` : what === 'sessions' ? 'at a time' : 'in this session'
  return `${amount} ${span}, the limit is ${figure(limit)}${reputationText(record, rule)}${share}`
}

/** The level, as `src/load/level.ts` has it, and what it means for such a client. */
function overloadText({ count, key }: RecordedDecision): string {
  const known = key.startsWith('overload|known|')
  const share = Math.min(100, Math.round((count - (known ? 3 : 2)) * 100))
  const fate = count < 2 ? 'waits before it is let in' : `is deferred, ${share} % of such clients at that time`
  return `nothing: the server was at load level ${figure(count)} of 4, and ${known ? 'a known client' : 'a stranger'} ${fate}`
}

function reputationText({ factor }: DecisionRecord, rule: LimitRule | undefined): string {
  return factor === 1 || rule?.scales !== true ? '' : ` (${figure(factor)} times the usual, by reputation)`
}

/** What is counted where no rule in `limits` says it: `session_errors` → `errors`. */
function nounFor({ rule, windowMs }: RecordedDecision): string | undefined {
  if (rule === 'mailbomb') return 'new senders'
  if (rule === 'sender_slowed') return 'recipients'
  const name = /^session_(recipients|errors|junk)$/.exec(rule)?.[1]
  if (name === 'junk') return 'commands that move no mail'
  return name ?? (windowMs === 0 ? 'sessions' : undefined)
}

function freeText({ t }: DecisionRecord, decision: RecordedDecision, now: number): string {
  const { retryAfterMs, rule, reason } = decision
  if (retryAfterMs === Infinity) return 'never: this attempt alone is more than the limit'
  if (reason === 'dnsbl') return 'when the lists, see score, no longer name it'
  if (reason === 'rdns') return 'when its address has a name'
  if (reason === 'suppressed') return 'when it is taken off the list'
  if (reason === 'score') return 'when less speaks against the client, see score'
  if (reason === 'store_unreachable') return 'when the shared store is back'
  if (rule.startsWith('session_') && retryAfterMs === 0) return 'in another session'
  if (retryAfterMs === 0) return 'unknown'
  const at = t + retryAfterMs
  if (reason === 'paused') return `when somebody lets it go, at the latest ${utc(at)}`
  const left = at <= now ? 'that is past: the same attempt is judged afresh' : `${sayDuration(at - now)} from now`
  return `${utc(at)}, ${sayDuration(retryAfterMs)} later; ${left}`
}

function exemptText({ exempt }: DecisionRecord): string {
  return exempt.map(({ rule, because }) => `${rule} (${because})`).join(', ')
}

function clientText({ ip, trusted, helo, account, tenant, id, direction }: DecisionRecord): string {
  const parts = [`${ip}${trusted ? ' (trusted)' : ''}`, direction]
  if (helo !== undefined) parts.push(`helo ${helo}`)
  if (account !== undefined) parts.push(`account ${account}`)
  if (tenant !== undefined) parts.push(`tenant ${tenant}`)
  return [...parts, `id ${id}`].join(', ')
}

/** What strangers wrote goes to a terminal: nothing in it may act there. */
export function line(name: string, text: string): string {
  return `  ${name.padEnd(10)} ${oneLine(text)}`
}

export function figure(value: number): string {
  return String(Math.round(value * 100) / 100)
}

/** Sizes are powers of 1024, as in the config. */
export function sizeText(bytes: number): string {
  const units = [
    ['GB', 1024 ** 3],
    ['MB', 1024 ** 2],
    ['kB', 1024],
  ] as const
  const unit = units.find(([, least]) => bytes >= least)
  return unit ? `${Number((bytes / unit[1]).toFixed(1))} ${unit[0]}` : `${figure(bytes)} bytes`
}

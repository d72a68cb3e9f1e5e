import type { Finding, Rule } from '../../policy/decision'
import type { Gate } from '../../policy/gate'
import { type Mode, isEnforced } from '../../policy/mode'
import { type Score, type Signal, addUp } from '../../policy/signal'
import type { Subject } from '../../policy/subject'

/** Points for what the session itself shows; signals of DNS and reputation bring their own. */
export interface ScoreWeights {
  readonly spf_fail: number
  readonly spf_softfail: number
  /** Each failed login. */
  readonly auth_failure: number
  /** Each recipient that nobody takes. */
  readonly unknown_recipient: number
  /** Each other wrong command. */
  readonly error: number
  readonly early: number
}

/** From how many points on something is done; undefined: never. */
export interface ScoreThresholds {
  readonly delay: number | undefined
  readonly defer: number | undefined
  readonly reject: number | undefined
}

export interface ScorePolicy {
  readonly mode: Mode
  readonly thresholds: ScoreThresholds
  /** How long a client is held when it is delayed. */
  readonly holdMs: number
  readonly weights: ScoreWeights
}

export const SCORE_PLUGIN = 'score'
const TEXT = 'Too much speaks against this client'

/** What speaks for and against a stranger, in one sum; undefined for those who are not strangers. */
export function scoreOf(subject: Subject, weights: ScoreWeights): Score | undefined {
  if (subject.client.trusted || subject.direction === 'submission') return undefined
  const parts: Signal[] = [...subject.signals]
  const { session, spf } = subject
  if (spf === 'fail') add(parts, 'spf', 'spf_fail', weights.spf_fail, 1)
  if (spf === 'softfail') add(parts, 'spf', 'spf_softfail', weights.spf_softfail, 1)
  add(parts, 'session', 'auth_failure', weights.auth_failure, session.authFailures)
  add(parts, 'session', 'unknown_recipient', weights.unknown_recipient, session.unknownRecipients)
  // Refused recipients and logins are errors too, and counted as what they are.
  const others = session.errors - session.authFailures - session.unknownRecipients
  add(parts, 'session', 'error', weights.error, others)
  add(parts, 'session', 'early', weights.early, session.early ? 1 : 0)
  return addUp(parts)
}

function add(parts: Signal[], source: string, name: string, weight: number, times: number): void {
  if (times > 0 && weight !== 0) parts.push({ source, name, weight: weight * times })
}

/** One sum of all signals, and what it leads to: nothing, a delay, a deferral or a refusal of the recipient. */
export function scoreGate({ mode, thresholds, holdMs, weights }: ScorePolicy): Gate {
  if (mode.kind === 'off') return { plugin: SCORE_PLUGIN, stages: [], ask: () => undefined }
  const steps = stepsOf(thresholds, mode)
  return {
    plugin: SCORE_PLUGIN,
    stages: ['rcpt'],
    ask: () => undefined,
    inspect: (subject, findings, notes) => {
      const score = scoreOf(subject, weights)
      if (!score) return
      notes.score = score
      const step = steps.find(({ from }) => score.total >= from)
      if (!step || (step.rule.remedy === 'delay' && subject.held)) return
      findings.push(findingOf(step, score.total, subject, holdMs))
    },
  }
}

interface Step {
  readonly from: number
  readonly rule: Rule
}

/** Gravest first. */
function stepsOf(thresholds: ScoreThresholds, mode: Mode): Step[] {
  const step = (remedy: keyof ScoreThresholds): Step[] => {
    const from = thresholds[remedy]
    const rule: Rule = { name: 'score', plugin: SCORE_PLUGIN, mode, remedy, onError: 'accept', text: TEXT }
    return from === undefined ? [] : [{ from, rule: remedy === 'delay' ? { ...rule, holdsOnce: true } : rule }]
  }
  return [...step('reject'), ...step('defer'), ...step('delay')]
}

function findingOf({ from, rule }: Step, total: number, { client }: Subject, holdMs: number): Finding {
  return {
    rule,
    key: `score|${client.ip}`,
    enforced: isEnforced(rule.mode, client.ip),
    count: total,
    limit: from,
    windowMs: 0,
    retryAfterMs: rule.remedy === 'delay' ? holdMs : 0,
    reason: 'score',
  }
}

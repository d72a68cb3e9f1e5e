import type { Ask, Store, Verdict } from '../store/store'
import type { Decision, Exemption, Finding, Outcome, Remedy } from './decision'
import { type Gate, type GateAsk, findingOf } from './gate'
import { newReference } from './reference'
import type { Stage, Subject } from './subject'

/** Gates by stage, in the order in which their plugins are listed. */
export type GatePlan = ReadonlyMap<Stage, readonly Gate[]>

export function planGates(gates: readonly Gate[]): GatePlan {
  const plan = new Map<Stage, Gate[]>()
  for (const gate of gates) {
    for (const stage of gate.stages) {
      const list = plan.get(stage)
      if (list) list.push(gate)
      else plan.set(stage, [gate])
    }
  }
  return plan
}

/**
 * Judges one stage of one subject: all asks of all gates go to the store as one batch, and each gate's plugin gets its
 * own answer. An embedded store answers at once; then so does this.
 *
 * Rejects only when the store does; the caller decides what a broken store means (fail open).
 */
export function judgeStage(plan: GatePlan, subject: Subject, store: Store): Outcome | Promise<Outcome> {
  const gates = plan.get(subject.stage)
  if (gates === undefined) return { ...NOTHING_FOUND, subject }
  const asks: GateAsk[] = []
  const exemptions: Exemption[] = []
  const findings: Finding[] = []
  for (const gate of gates) {
    gate.ask(subject, asks, exemptions)
    gate.inspect?.(subject, findings)
  }
  // Refused by the session's own counters: the attempt must not consume anybody's quota.
  if (asks.length === 0 || findings.some((finding) => finding.enforced)) {
    return conclude(subject, findings, exemptions, false)
  }
  const verdict = store.judge(asks.map(askOf))
  if (verdict instanceof Promise) {
    return verdict.then((answered) => weigh(subject, asks, answered, findings, exemptions))
  }
  return weigh(subject, asks, verdict, findings, exemptions)
}

const NO_ANSWERS: ReadonlyMap<string, Decision> = new Map()
const NOTHING_FOUND = { decisions: [], answers: NO_ANSWERS, exemptions: [], degraded: false } as const

function askOf(gateAsk: GateAsk): Ask {
  return gateAsk.ask
}

function weigh(
  subject: Subject,
  asks: readonly GateAsk[],
  verdict: Verdict,
  findings: Finding[],
  exemptions: Exemption[],
): Outcome {
  for (let index = 0; index < asks.length; index++) {
    const finding = findingOf(asks[index]!, verdict.answers[index]!, verdict.degraded)
    if (finding) findings.push(finding)
  }
  return conclude(subject, findings, exemptions, verdict.degraded)
}

function conclude(
  subject: Subject,
  findings: readonly Finding[],
  exemptions: readonly Exemption[],
  degraded: boolean,
): Outcome {
  if (findings.length === 0) {
    return { subject, decisions: [], answers: NO_ANSWERS, exemptions, degraded }
  }
  // A client told to come back is told the time at which every rule lets it in, not only the one that answers.
  const retryAfterMs = longestWait(findings)
  const decisions = findings.map((finding) => decide(subject, finding, retryAfterMs)).sort(gravestFirst)
  const answers = new Map<string, Decision>()
  for (const decision of decisions) {
    if (decision.action !== 'accept' && !answers.has(decision.rule.plugin)) answers.set(decision.rule.plugin, decision)
  }
  return { subject, decisions, answers, exemptions, degraded }
}

function longestWait(findings: readonly Finding[]): number {
  let longest = 0
  for (const { enforced, retryAfterMs } of findings) {
    if (enforced && retryAfterMs > longest) longest = retryAfterMs
  }
  return longest
}

/** Modes are applied here and nowhere else: what is not enforced is accepted, and told. */
function decide(subject: Subject, finding: Finding, retryAfterMs: number): Decision {
  return {
    ...finding,
    retryAfterMs: finding.enforced ? retryAfterMs : finding.retryAfterMs,
    action: finding.enforced ? finding.rule.remedy : 'accept',
    ref: newReference(),
    stage: subject.stage,
    at: subject.at,
  }
}

const GRAVITY: Record<'accept' | Remedy, number> = { accept: 0, delay: 1, defer: 2, reject: 3 }

function gravestFirst(a: Decision, b: Decision): number {
  return GRAVITY[b.action] - GRAVITY[a.action] || Number(b.rule.ends ?? false) - Number(a.rule.ends ?? false)
}

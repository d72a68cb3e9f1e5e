import type { Answer, Ask, LeaseRef, Store, Verdict } from '../store/store'
import type { Decision, Exemption, Finding, KnownMerit, Outcome, Remedy } from './decision'
import { type Gate, type GateAsk, type Notes, findingOf } from './gate'
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
 * own answer. An embedded store answers at once; then so does this. Never rejects: a store that fails is told in
 * `failure`, and everybody is accepted but for rules that would rather defer.
 */
export function judgeStage(plan: GatePlan, subject: Subject, store: Store): Outcome | Promise<Outcome> {
  const gates = plan.get(subject.stage)
  const run: Run = { subject, asks: [], exemptions: [], findings: [], notes: { score: undefined } }
  if (gates === undefined) return conclude(run, NO_VERDICT)
  for (const gate of gates) gate.inspect?.(subject, run.findings, run.notes)
  // Refused for what is known already, such as a ban: the attempt must not consume anybody's quota, and nothing is asked.
  if (run.findings.some(isEnforced)) return conclude(run, NO_VERDICT)
  for (const gate of gates) gate.ask(subject, run.asks, run.exemptions)
  if (run.asks.length === 0) return conclude(run, NO_VERDICT)
  try {
    const verdict = store.judge(run.asks.map(askOf))
    if (!(verdict instanceof Promise)) return weigh(run, verdict)
    return verdict.then(
      (answered) => weigh(run, answered),
      (error: unknown) => failOpen(run, error),
    )
  } catch (error) {
    return failOpen(run, error)
  }
}

interface Run {
  readonly subject: Subject
  readonly asks: GateAsk[]
  readonly exemptions: Exemption[]
  readonly findings: Finding[]
  readonly notes: Notes
}

const NO_ANSWERS: ReadonlyMap<string, Decision> = new Map()
const NO_LEASES: readonly LeaseRef[] = []
const NO_MERITS: readonly KnownMerit[] = []
const NO_LESSONS: readonly Ask[] = []
const NO_VERDICT: Verdict = { committed: false, answers: [], degraded: false }
const UNKNOWN: Answer = { ok: true, count: 0, limit: 0, windowMs: 0, retryAfterMs: 0 }

function isEnforced({ enforced }: Finding): boolean {
  return enforced
}

function askOf(gateAsk: GateAsk): Ask {
  return gateAsk.ask
}

function weigh(run: Run, verdict: Verdict): Outcome {
  for (let index = 0; index < run.asks.length; index++) {
    const asked = run.asks[index]!
    const answer = verdict.answers[index]!
    const finding = findingOf(asked, answer, verdict.degraded)
    if (finding) run.findings.push(finding)
    if (answer.excused !== undefined) {
      run.exemptions.push({ rule: asked.rule.name, because: run.asks[answer.excused]!.because ?? 'known' })
    }
  }
  return conclude(run, verdict)
}

function failOpen(run: Run, error: unknown): Outcome {
  const answers = run.asks.map(() => UNKNOWN)
  const outcome = weigh(run, { committed: false, degraded: true, answers })
  return { ...outcome, failure: error instanceof Error ? error : new Error(String(error)) }
}

function conclude(run: Run, { committed, answers: answered, degraded }: Verdict): Outcome {
  const { subject, findings, exemptions } = run
  const { score } = run.notes
  const leases = committed && subject.stage === 'connect' ? leasesOf(run, answered) : NO_LEASES
  const merits = degraded ? NO_MERITS : meritsOf(run, answered)
  const lessons = committed && !degraded ? lessonsOf(run, answered) : NO_LESSONS
  const told = { subject, exemptions, leases, degraded, score, merits, lessons }
  if (findings.length === 0) return { ...told, decisions: [], answers: NO_ANSWERS }
  // A client told to come back is told the time at which every rule lets it in, not only the one that answers.
  const retryAfterMs = longestWait(findings)
  const decisions = findings.map((finding) => decide(subject, finding, retryAfterMs)).sort(gravestFirst)
  const answers = new Map<string, Decision>()
  for (const decision of decisions) {
    if (isRefusal(decision) && !answers.has(decision.rule.plugin)) answers.set(decision.rule.plugin, decision)
  }
  return { ...told, decisions, answers }
}

/** What is dropped is accepted as far as the client can see. */
export function isRefusal({ action }: Decision): boolean {
  return action !== 'accept' && action !== 'drop'
}

function meritsOf({ asks }: Run, answers: readonly Answer[]): readonly KnownMerit[] {
  let merits: KnownMerit[] | undefined
  for (let index = 0; index < answers.length; index++) {
    const { merit } = asks[index]!
    if (merit === undefined) continue
    const { count, mean } = answers[index]!
    // Nobody has asked for it: that is no reason to forget what is known.
    if (mean === undefined) continue
    merits ??= []
    merits.push({ name: merit, samples: count, mean })
  }
  return merits ?? NO_MERITS
}

function lessonsOf({ asks }: Run, answers: readonly Answer[]): readonly Ask[] {
  let lessons: Ask[] | undefined
  for (let index = 0; index < answers.length; index++) {
    const lesson = asks[index]!.lesson?.(answers[index]!)
    if (lesson) (lessons ??= []).push(lesson)
  }
  return lessons ?? NO_LESSONS
}

/** Those that were taken: to renew one that was refused, or excused and never asked for, would take it. */
function leasesOf({ asks, findings }: Run, answers: readonly Answer[]): LeaseRef[] {
  const leases: LeaseRef[] = []
  asks.forEach(({ ask }, index) => {
    const { ok, excused } = answers[index]!
    if (ask.op !== 'lease' || !ok || excused !== undefined) return
    if (!findings.some(({ key }) => key === ask.key)) leases.push({ key: ask.key, id: ask.id })
  })
  return leases
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
    ref: finding.ref ?? newReference(),
    stage: subject.stage,
    at: subject.at,
  }
}

const GRAVITY: Record<'accept' | Remedy, number> = { accept: 0, drop: 1, delay: 2, defer: 3, reject: 4 }

function gravestFirst(a: Decision, b: Decision): number {
  return GRAVITY[b.action] - GRAVITY[a.action] || Number(b.rule.ends ?? false) - Number(a.rule.ends ?? false)
}

import type { Decision, Outcome } from '../policy/decision'
import { type Mode, modeText } from '../policy/mode'
import { attemptLines } from './attempt-line'
import { sayFeedback } from './feedback-line'
import type {
  BanEvent,
  ConfigEvent,
  GuardEvent,
  JudgedEvent,
  LoadEvent,
  OffenceEvent,
  OrderEvent,
  Reader,
  StoreEvent,
  SuppressedEvent,
  ZoneEvent,
} from './events'
import { oneLine, quoted, token } from './escape'
import type { LineLog } from './line-log'
import { RefusalQuota } from './refusal-quota'
import { sayListed, saySenderStep } from './sender-line'

/**
 * Writes the event stream as log lines.
 *
 * What concerns a client is `name=value` pairs, always all of them, always in this order, and what a client chose comes
 * last, so that `^action=(?:delay|defer|reject) rule=\S+ mode=\S+ stage=\S+ ref=\S+ ip=(\S+) ` reads a line in linear
 * time whatever is in it. A value is a token without white space or a JSON string; a `-` stands for none. Times are in
 * seconds. What concerns the service is a sentence that begins with its subject: `store lost: …`, `config refused: …`.
 *
 * Refusals are notices; what a rule in shadow, or outside its canary share, would have refused is info. Connections that
 * are refused are bounded, see {@link RefusalQuota}: those of a flood are left out, and their number is said. Attempts to
 * deliver have lines of their own, see {@link attemptLines}.
 */
export function logLineReader(log: LineLog): Reader {
  const sayGuard = guardLines(log)
  const sayJudged = judgedLines(log)
  const sayAttempt = attemptLines(log)
  return (event) => {
    switch (event.kind) {
      case 'judged':
        return sayJudged(event)
      case 'store':
        return sayStore(event, log)
      case 'config':
        return sayConfig(event, log)
      case 'load':
        return log.notice(loadLine(event))
      case 'guard':
        return sayGuard(event)
      case 'probe':
        // The session's bound on commands that move no mail bounds these lines too.
        return log.notice(`action=refuse command=${event.command} ip=${token(event.ip)}`)
      case 'ban':
        return log.notice(banLine(event))
      case 'unban':
        return log.notice(`action=unban target=${token(event.target)} origin=${token(event.origin)}`)
      case 'zone':
        return sayZone(event, log)
      case 'offence':
        return sayOffence(event, log)
      case 'attempt':
        return sayAttempt(event)
      case 'order':
        return log.notice(orderLine(event))
      case 'feedback':
        return sayFeedback(event, log)
      case 'suppressed':
        return saySuppressed(event, log)
      case 'sender':
        return saySenderStep(event, log)
      case 'listed':
        return sayListed(event, log)
      case 'notice':
        return log.warn(oneLine(event.message))
    }
  }
}

/** How many refused connections were left out is said once in this time at most. */
const LEFT_OUT_MS = 60_000

function judgedLines(log: LineLog): (event: JudgedEvent) => void {
  const refusals = new RefusalQuota()
  let leftOut = 0
  let since = 0
  return ({ outcome }) => {
    const { at } = outcome.subject
    if (refusals.allows(outcome)) sayDecisions(outcome, log)
    else if (leftOut++ === 0) since = at
    if (leftOut === 0 || Math.abs(at - since) < LEFT_OUT_MS) return
    log.notice(`left out ${leftOut} refused connections: a client is named once a minute`)
    leftOut = 0
  }
}

function sayDecisions(outcome: Outcome, log: LineLog): void {
  for (const decision of outcome.decisions) {
    if (decision.action !== 'accept') log.notice(decisionLine(decision, outcome))
    else if (log.writesInfo()) log.info(decisionLine(decision, outcome))
  }
}

/** A store key is made of printable ASCII and bounded by the store; whole, it can be copied into a command. */
const MOST_KEY = 300

function decisionLine(decision: Decision, { subject: { client, account, id, helo }, score }: Outcome): string {
  const { action, rule, stage, ref, count, limit, windowMs, reason, key } = decision
  return (
    `action=${action} rule=${rule.name} mode=${modeToken(rule.mode)} stage=${stage} ref=${ref} ip=${token(client.ip)}` +
    ` count=${figure(count)} limit=${figure(limit)} window_s=${figure(windowMs / 1000)}` +
    ` retry_s=${retryToken(decision.retryAfterMs)} reason=${reason} score=${score ? figure(score.total) : '-'} account=${token(account)} id=${token(id)}` +
    ` key=${quoted(key, MOST_KEY)} helo=${helo === undefined ? '-' : quoted(helo)}`
  )
}

function modeToken(mode: Mode): string {
  return mode.kind === 'canary' ? `canary:${mode.percent}%` : mode.kind
}

/** Rounded up: who reads it must not come back too early. */
function retryToken(retryAfterMs: number): string {
  if (retryAfterMs === Infinity) return 'never'
  return retryAfterMs === 0 ? '-' : String(Math.ceil(retryAfterMs / 1000))
}

function figure(value: number): string {
  return String(Math.round(value * 1000) / 1000)
}

function sayStore({ state, reason, downMs }: StoreEvent, log: LineLog): void {
  if (state === 'lost') {
    log.error(`store lost: ${oneLine(reason)}`)
  } else {
    const after = downMs === undefined ? '' : ` after ${figure(downMs / 1000)} s`
    log.notice(`store back${after}: ${oneLine(reason)}`)
  }
}

/** `target` and `duration_s` are what a firewall needs; other programs may match this line. */
function banLine({ ban, before, mode }: BanEvent): string {
  const { target, origin, reason, since, until } = ban
  const duration = Math.ceil((until - since) / 1000)
  return `action=ban target=${token(target.text)} origin=${token(origin)} duration_s=${duration} before=${before} mode=${modeToken(mode)} why=${quoted(reason)}`
}

/** `sluice egress actions` lists what stands, and `sluice egress cancel ID` takes it back. */
function orderLine({ id, target, does, origin, mode, until, at, evidence }: OrderEvent): string {
  const duration = Math.ceil(Math.max(0, until - at) / 1000)
  return `action=order order=${id} origin=${token(origin)} mode=${mode} duration_s=${duration} target=${token(target, MOST_KEY)} does=${quoted(does)} why=${quoted(evidence, MOST_KEY)}`
}

/** Offences that no other line tells of: Haraka's own on a failed login names no address. The rest is in the figures. */
const TOLD_OFFENCES = ['auth', 'relay']

/** One line for each, which took the client a whole command; so they are no more than Haraka's own lines about it. */
function sayOffence({ offence, ip, account }: OffenceEvent, log: LineLog): void {
  if (!TOLD_OFFENCES.includes(offence)) return
  const named = account === undefined ? '-' : quoted(account)
  log.notice(`action=offence offence=${offence} ip=${token(ip)} account=${named}`)
}

function sayZone({ label, to, why }: ZoneEvent, log: LineLog): void {
  if (to === 'well') log.notice(oneLine(`dns list well: ${label} ${why} again`))
  else log.warn(oneLine(`dns list ill: ${label} is ${to}: ${why}; it counts for nobody until it is well`))
}

/** What each stage or attempt decides has lines of its own; this is what becomes of a message besides. */
function saySuppressed({ what, id, mode, recipients, count }: SuppressedEvent, log: LineLog): void {
  const named = quoted(recipients.join(' '))
  const line = (action: string, stage: string) =>
    `action=${action} rule=suppressed mode=${modeToken(mode)} stage=${stage} id=${token(id)} count=${count} recipients=${named}`
  if (what === 'discarded') log.notice(line('discard', 'queue'))
  else if (log.writesInfo()) log.info(line('accept', 'delivery'))
}

const MOST_PROBLEMS = 50

function sayConfig({ accepted, file, problems, inForce }: ConfigEvent, log: LineLog): void {
  if (accepted) return log.notice(`config taken: ${oneLine(file)}; in force: ${oneLine(inForce)}`)
  // Each problem says which of the files it is in.
  log.error(`config refused: ${countOf(problems.length)}; still in force: ${oneLine(inForce)}`)
  for (const problem of problems.slice(0, MOST_PROBLEMS)) log.error(`config problem: ${oneLine(problem)}`)
  if (problems.length > MOST_PROBLEMS) log.error(`config problem: and ${problems.length - MOST_PROBLEMS} more`)
}

function countOf(problems: number): string {
  return problems === 1 ? '1 problem' : `${problems} problems`
}

/** What becomes of new clients at each level; in shadow it only would. */
const LOAD_STEPS = [
  { done: 'all are let in', shadow: 'all are let in' },
  { done: 'strangers wait', shadow: 'strangers would wait' },
  { done: 'a share of the strangers is deferred', shadow: 'a share of the strangers would be deferred' },
  {
    done: 'strangers are deferred, and a share of the known clients',
    shadow: 'strangers would be deferred, and a share of the known clients',
  },
  { done: 'all are deferred', shadow: 'all would be deferred' },
] as const

function loadLine({ level, before, mode, pressures }: LoadEvent): string {
  const { done, shadow } = LOAD_STEPS[level]!
  const inMode = mode.kind === 'enforce' || level === 0 ? '' : ` (${modeText(mode)})`
  const what = mode.kind === 'enforce' || mode.kind === 'canary' ? done : shadow
  const worst = Object.entries(pressures).sort(([, a], [, b]) => b - a)
  const shares = worst.slice(0, 3).map(([signal, share]) => `${signal} ${Math.round(share * 100)} %`)
  return `load level ${level}, was ${before}: ${what}${inMode}; of their thresholds: ${shares.join(', ')}`
}

/** A hook that fails on every command would bury the log: the same failure is told once in this time, with a count. */
const GUARD_QUIET_MS = 10_000

function guardLines(log: LineLog): (event: GuardEvent) => void {
  // As many entries as there are plugins, hooks and kinds of failure.
  const told = new Map<string, { at: number; silent: number }>()
  return ({ at, plugin, hook, failure, message }) => {
    const what = `${plugin} ${hook} ${failure}`
    const last = told.get(what)
    if (last && Math.abs(at - last.at) < GUARD_QUIET_MS) {
      last.silent++
      return
    }
    told.set(what, { at, silent: 0 })
    const again = last && last.silent > 0 ? `, and ${last.silent} times unsaid since the last line` : ''
    const kind = failure === 'deadline' ? 'ran out of time' : 'failed'
    log.warn(oneLine(`guard: ${plugin} ${hook} ${kind}: ${message}; nothing was refused for it${again}`))
  }
}

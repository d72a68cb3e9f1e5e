import { excusedAnswer } from '../engine/excuse'
import { MEAN_UNITS, meanUnits, mostUnits } from '../engine/merit'
import { bitOf, estimateOf, mostBits } from '../engine/sketch'
import type { Answer, Ask, MeritAsk, Verdict } from '../store'
import type { Charge } from './shared-store'

/** How batches and verdicts travel to and from `scripts/judge-1/`: flat lists of decimal numbers. */
export function encodeBatches(batches: readonly (readonly Ask[])[]): string[] {
  const args = [String(batches.length)]
  for (const asks of batches) {
    args.push(String(asks.length))
    for (const ask of asks) {
      if (ask.unless === undefined) pushAsk(args, ask)
      else pushExcusable(args, ask, ask.unless)
    }
  }
  return args
}

/** A prefix that only such asks bear, so that the others cost nothing more. */
function pushExcusable(args: string[], ask: Ask, merits: readonly number[]): void {
  const own: string[] = []
  pushAsk(own, ask)
  args.push('x', own[1]!, String(own.length), String(merits.length), ...merits.map(String), ...own)
}

function pushAsk(args: string[], ask: Ask): void {
  const enforced = ask.enforced ? '1' : '0'
  switch (ask.op) {
    case 'window':
      args.push('w', enforced, String(ask.cost), String(ask.windows.length))
      for (const window of ask.windows) args.push(String(window.limit), String(window.windowMs))
      break
    case 'rate':
      args.push(ask.aheadMs === undefined ? 'r' : 'a', enforced)
      args.push(String(ask.cost), String(ask.intervalMs), String(ask.burst))
      if (ask.aheadMs !== undefined) args.push(String(ask.aheadMs))
      break
    case 'lease':
      args.push('l', enforced, String(ask.limit), ask.id, String(ask.ttlMs))
      break
    case 'triplet':
      args.push('g', enforced, String(ask.delayMs), String(ask.retryMs), String(ask.passMs))
      break
    case 'merit':
      pushMerit(args, ask)
      break
    case 'distinct':
      args.push('d', enforced, String(bitOf(ask.value)), String(mostBits(ask.limit)), String(ask.windowMs))
      break
  }
}

/** The fractions become whole numbers here, by the very functions of the engine. */
function pushMerit(args: string[], ask: MeritAsk): void {
  const { leastSamples, leastMean, halfLifeMs, most, apartMs, keepMs, sample } = ask
  const numbers = [leastSamples, meanUnits(leastMean), halfLifeMs, mostUnits(most), apartMs, keepMs].map(String)
  args.push('m', '0', ...numbers, sample === undefined ? '' : String(meanUnits(sample)))
}

/** Reads the reply of `judge-1` to just these batches. */
export function decodeVerdicts(reply: readonly number[], batches: readonly (readonly Ask[])[]): Verdict[] {
  let at = 0
  return batches.map((asks) => {
    const verdict = decodeVerdict(reply, at, asks)
    for (const ask of asks) at += saysMore(ask) ? 3 : 2
    at++
    return verdict
  })
}

/** Whether the reply has a third number for an ask. */
function saysMore(ask: Ask): boolean {
  return ask.op === 'window' || ask.op === 'merit' || (ask.op === 'rate' && ask.aheadMs !== undefined)
}

function decodeVerdict(reply: readonly number[], from: number, asks: readonly Ask[]): Verdict {
  const answers = new Array<Answer>(asks.length)
  let at = from + 1
  for (let index = 0; index < asks.length; index++) {
    const ask = asks[index]!
    const wait = reply[at++]!
    const count = reply[at++]!
    if (wait < -1) {
      answers[index] = excusedAnswer(ask, -2 - wait)
      if (saysMore(ask)) at++
      continue
    }
    const retryAfterMs = wait < 0 ? Infinity : wait
    const ok = wait === 0
    switch (ask.op) {
      case 'window': {
        const { limit, windowMs } = ask.windows[reply[at++]!]!
        answers[index] = { ok, count, limit, windowMs, retryAfterMs }
        break
      }
      case 'rate': {
        const answer = { ok, count, limit: ask.burst, windowMs: ask.burst * ask.intervalMs, retryAfterMs }
        const startsInMs = ask.aheadMs === undefined ? 0 : reply[at++]!
        answers[index] = ok && ask.aheadMs !== undefined ? { ...answer, startsInMs } : answer
        break
      }
      case 'lease':
        answers[index] = { ok, count, limit: ask.limit, windowMs: 0, retryAfterMs }
        break
      case 'triplet':
        answers[index] = { ok, count, limit: 0, windowMs: ask.delayMs, retryAfterMs }
        break
      case 'merit': {
        const mean = reply[at++]! / MEAN_UNITS
        answers[index] = { ok, count, limit: ask.leastSamples, windowMs: 0, retryAfterMs: 0, mean }
        break
      }
      case 'distinct':
        answers[index] = { ok, count: estimateOf(count), limit: ask.limit, windowMs: ask.windowMs, retryAfterMs }
        break
    }
  }
  return { committed: reply[from] === 1, answers, degraded: false }
}

/** How charges travel to `scripts/charge-1.lua`. */
export function encodeCharges(charges: readonly Charge[]): string[] {
  const args: string[] = []
  for (const charge of charges) {
    if (charge.op === 'rate') {
      const { depthMs, debtMs, startsInMs } = charge
      args.push(startsInMs === undefined ? 'r' : 'a', String(depthMs), String(debtMs))
      if (startsInMs !== undefined) args.push(String(startsInMs))
      continue
    }
    args.push('w', String(charge.windows.length))
    for (const window of charge.windows) args.push(String(window.limit), String(window.windowMs))
    args.push(String(charge.entries.length))
    for (const entry of charge.entries) args.push(String(entry.agoMs), String(entry.units))
  }
  return args
}

import type { Answer, Ask, Verdict } from '../store'
import type { Charge } from './shared-store'

/** How batches and verdicts travel to and from `scripts/judge-1.lua`: flat lists of decimal numbers. */
export function encodeBatches(batches: readonly (readonly Ask[])[]): string[] {
  const args = [String(batches.length)]
  for (const asks of batches) {
    args.push(String(asks.length))
    for (const ask of asks) pushAsk(args, ask)
  }
  return args
}

function pushAsk(args: string[], ask: Ask): void {
  const enforced = ask.enforced ? '1' : '0'
  switch (ask.op) {
    case 'window':
      args.push('w', enforced, String(ask.cost), String(ask.windows.length))
      for (const window of ask.windows) args.push(String(window.limit), String(window.windowMs))
      break
    case 'rate':
      args.push('r', enforced, String(ask.cost), String(ask.intervalMs), String(ask.burst))
      break
    case 'lease':
      args.push('l', enforced, String(ask.limit), ask.id, String(ask.ttlMs))
      break
    case 'triplet':
      args.push('g', enforced, String(ask.delayMs), String(ask.retryMs), String(ask.passMs))
      break
  }
}

/** Reads the reply of `judge-1.lua` to just these batches. */
export function decodeVerdicts(reply: readonly number[], batches: readonly (readonly Ask[])[]): Verdict[] {
  let at = 0
  return batches.map((asks) => {
    const verdict = decodeVerdict(reply, at, asks)
    for (const { op } of asks) at += op === 'window' ? 3 : 2
    at++
    return verdict
  })
}

function decodeVerdict(reply: readonly number[], from: number, asks: readonly Ask[]): Verdict {
  const answers = new Array<Answer>(asks.length)
  let at = from + 1
  for (let index = 0; index < asks.length; index++) {
    const ask = asks[index]!
    const wait = reply[at++]!
    const count = reply[at++]!
    const retryAfterMs = wait < 0 ? Infinity : wait
    const ok = wait === 0
    switch (ask.op) {
      case 'window': {
        const { limit, windowMs } = ask.windows[reply[at++]!]!
        answers[index] = { ok, count, limit, windowMs, retryAfterMs }
        break
      }
      case 'rate':
        answers[index] = { ok, count, limit: ask.burst, windowMs: ask.burst * ask.intervalMs, retryAfterMs }
        break
      case 'lease':
        answers[index] = { ok, count, limit: ask.limit, windowMs: 0, retryAfterMs }
        break
      case 'triplet':
        answers[index] = { ok, count, limit: 0, windowMs: ask.delayMs, retryAfterMs }
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
      args.push('r', String(charge.depthMs), String(charge.debtMs))
      continue
    }
    args.push('w', String(charge.windows.length))
    for (const window of charge.windows) args.push(String(window.limit), String(window.windowMs))
    args.push(String(charge.entries.length))
    for (const entry of charge.entries) args.push(String(entry.agoMs), String(entry.units))
  }
  return args
}

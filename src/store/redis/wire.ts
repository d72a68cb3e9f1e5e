import type { Answer, Ask, Verdict } from '../store'
import type { Charge } from './shared-store'

/** How asks and answers travel to and from `scripts/judge-1.lua`: flat lists of decimal numbers. */
export function encodeAsks(asks: readonly Ask[]): string[] {
  const args: string[] = []
  for (const ask of asks) {
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
    }
  }
  return args
}

/** Reads the reply of `judge-1.lua` to just these asks. */
export function decodeVerdict(reply: readonly number[], asks: readonly Ask[]): Verdict {
  const answers = new Array<Answer>(asks.length)
  let at = 1
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
    }
  }
  return { committed: reply[0] === 1, answers, degraded: false }
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

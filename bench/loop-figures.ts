import type { Scenario } from './loop-scenarios'
import { type Trace, sumOf } from './loop-trace'

export interface LoopFigures {
  readonly delivered: number
  /** Sent back to the sender. */
  readonly bounced: number
  /** Neither delivered nor sent back. */
  readonly lost: number
  readonly attempts: number
  /** Attempts that were refused for each message that was delivered. */
  readonly refusedPerDelivered: number
  /** From when on less than 1 % of the attempts of a minute were refused; undefined: never. */
  readonly foundMs: number | undefined
  /** Most attempts in a second afterwards, as a multiple of what the provider bears. */
  readonly overshoot: number | undefined
  /** Share of the attempts that were refused afterwards. */
  readonly refusedAfter: number | undefined
  /** Until the last message that was delivered. */
  readonly allMs: number
  readonly meanDelayMs: number
  readonly p99DelayMs: number
  /** Of what the provider would have taken in the time in which mail waits in any case. */
  readonly used: number
  /** Of what it would have taken while it bore less; undefined where it never does. */
  readonly usedInChange: number | undefined
  /** After it bears as much as before, until a minute in which as much is delivered as in a mean one before; undefined: not measured. */
  readonly returnMs: number | undefined
}

const MINUTE = 60
/** Fewer attempts in a minute say nothing of whether a limit is known. */
const LEAST_ATTEMPTS = 30
const FEW = 0.01
/** A mean minute before a change is one of so many. */
const BEFORE = 10 * MINUTE
/** A rate is as before within the last digit of a count. */
const NEARLY = 0.99

export function figuresOf(scenario: Scenario, messages: number, trace: Trace): LoopFigures {
  const { attempts, refusals, deliveries, bounced } = trace
  const all = sumOf(attempts, 0, attempts.length)
  const refused = sumOf(refusals, 0, refusals.length)
  const delays = [...trace.delaysMs].sort((a, b) => a - b)
  const delivered = delays.length
  const found = findOf(trace)
  return {
    delivered,
    bounced,
    lost: messages - delivered - bounced,
    attempts: all,
    refusedPerDelivered: refused / delivered,
    foundMs: found === undefined ? undefined : found * 1000,
    overshoot: found === undefined ? undefined : overshootOf(scenario, attempts, found),
    refusedAfter:
      found === undefined
        ? undefined
        : sumOf(refusals, found, refusals.length) / sumOf(attempts, found, attempts.length),
    allMs: trace.lastDeliveryMs,
    meanDelayMs: delays.reduce((sum, delay) => sum + delay, 0) / delivered,
    p99DelayMs: delays[Math.ceil(0.99 * delivered) - 1] ?? NaN,
    used: usedOf(scenario, deliveries, 0, scenario.busyMs),
    usedInChange: scenario.change && usedOf(scenario, deliveries, scenario.change.fromMs, scenario.change.toMs),
    returnMs: scenario.change && returnOf(deliveries, scenario.change),
  }
}

/** The second in which the first minute begins with few refusals among its attempts. */
function findOf({ attempts, refusals }: Trace): number | undefined {
  for (let from = 0; from + MINUTE <= attempts.length; from++) {
    const tried = sumOf(attempts, from, from + MINUTE)
    if (tried >= LEAST_ATTEMPTS && sumOf(refusals, from, from + MINUTE) < FEW * tried) return from
  }
  return undefined
}

function overshootOf({ bearsAt }: Scenario, attempts: readonly number[], from: number): number {
  let most = 0
  for (let second = from; second < attempts.length; second++) {
    most = Math.max(most, attempts[second]! / bearsAt(second * 1000))
  }
  return most
}

function usedOf({ bearsAt }: Scenario, deliveries: readonly number[], fromMs: number, toMs: number): number {
  let borne = 0
  for (let second = fromMs / 1000; second < toMs / 1000; second++) borne += bearsAt(second * 1000)
  return sumOf(deliveries, fromMs / 1000, toMs / 1000) / borne
}

function returnOf(deliveries: readonly number[], { fromMs, toMs }: NonNullable<Scenario['change']>) {
  const [fall, relent] = [fromMs / 1000, toMs / 1000]
  const before = (sumOf(deliveries, fall - BEFORE, fall) / BEFORE) * MINUTE
  for (let from = relent; from + MINUTE <= deliveries.length; from++) {
    if (sumOf(deliveries, from, from + MINUTE) >= NEARLY * before) return (from - relent) * 1000
  }
  return undefined
}

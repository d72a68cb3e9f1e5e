import type { ControllerPolicy } from '../src/egress/controller-policy'
import type { HiddenLimit } from './loop-provider'
import { SHIPPED_CONTROLLER, SluiceSender, type SluiceOptions } from './loop-sluice'
import { STOCK_INTERVALS, StockSender } from './loop-stock'
import type { Trace } from './loop-trace'
import { type Arrival, type Sender, World } from './loop-world'

const MIN = 60_000
const HOUR = 3_600_000

/** A provider, and mail for it. */
export interface Scenario {
  readonly name: string
  readonly limit: HiddenLimit
  /** What it bears, in messages a second. */
  readonly bearsAt: (elapsedMs: number) => number
  readonly arrival: Arrival
  /** Mail waits for so long even when no second is wasted: how much of the limit is used is counted in this time. */
  readonly busyMs: number
  /** When the provider bears less, and when it relents. */
  readonly change?: { readonly fromMs: number; readonly toMs: number }
  /** The right limits, by which a fixed one is set. */
  readonly right: { readonly perSecond: number } | { readonly connections: number }
}

const RATE = 10
const LATENCY_MS = 100
const BURST = { kind: 'at once', messages: 20_000 } as const
const FLOW = { kind: 'flow', perSecond: 1.5 * RATE, forMs: HOUR } as const
const CHANGE = { fromMs: 20 * MIN, toMs: 50 * MIN }
const PLACES = 2

const steady: HiddenLimit = { messagesAt: () => RATE, windowMs: 1000, countsRefused: false, connections: Infinity }
const counting: HiddenLimit = { ...steady, messagesAt: () => RATE * 60, windowMs: MIN, countsRefused: true }
const changing = (elapsedMs: number) => (elapsedMs >= CHANGE.fromMs && elapsedMs < CHANGE.toMs ? 3 : RATE)
const byRate = { bearsAt: () => RATE, right: { perSecond: RATE } }

/** A five-hundredth of the shipped profile: Gmail, and an address that nobody knows yet. */
export const TRICKLE: Scenario = {
  name: '600 at once, 12/min',
  limit: { ...steady, messagesAt: () => 12, windowMs: MIN },
  bearsAt: () => 12 / 60,
  arrival: { kind: 'at once', messages: 600 },
  busyMs: 50 * MIN,
  right: { perSecond: 12 / 60 },
}

export const SCENARIOS: Readonly<
  Record<'burst' | 'flow' | 'changing' | 'counting' | 'flowCounting' | 'connections', Scenario>
> = {
  burst: { ...byRate, name: '20,000 at once, 10/s', limit: steady, arrival: BURST, busyMs: 30 * MIN },
  flow: { ...byRate, name: '15/s for an hour, 10/s', limit: steady, arrival: FLOW, busyMs: HOUR },
  changing: {
    ...byRate,
    name: '15/s for an hour, 10/s, 3/s from 20 to 50 min',
    limit: { ...steady, messagesAt: changing },
    bearsAt: changing,
    arrival: FLOW,
    busyMs: HOUR,
    change: CHANGE,
  },
  counting: {
    ...byRate,
    name: '20,000 at once, 600/min, refused ones count',
    limit: counting,
    arrival: BURST,
    busyMs: 30 * MIN,
  },
  flowCounting: {
    ...byRate,
    name: '15/s for an hour, 600/min, refused ones count',
    limit: counting,
    arrival: FLOW,
    busyMs: HOUR,
  },
  connections: {
    name: '20,000 at once, 2 connections',
    limit: { ...steady, messagesAt: undefined, connections: PLACES },
    bearsAt: () => (PLACES * 1000) / LATENCY_MS,
    arrival: BURST,
    busyMs: 15 * MIN,
    right: { connections: PLACES },
  },
}

export const SENDERS = ['stock', 'right', 'half', 'double', 'sluice'] as const
export type SenderName = (typeof SENDERS)[number]

/** Longer than stock Haraka tries. */
const LONGEST_MS = 5 * 24 * HOUR
/** What Haraka's manual names for `concurrency_max`. */
const STOCK_CONCURRENCY = 100
const FACTORS = { right: 1, half: 0.5, double: 2 } as const

export interface Outcome {
  readonly trace: Trace
  /** Steps of the controller. */
  readonly steps: SluiceSender['steps']
}

export interface Circumstances {
  readonly latencyMs?: number
  readonly seed?: number
  readonly controller?: ControllerPolicy
}

/** The same for the same circumstances. */
export async function live(
  { limit, arrival, right }: Pick<Scenario, 'limit' | 'arrival' | 'right'>,
  sender: SenderName,
  { latencyMs = LATENCY_MS, seed = 1, controller = SHIPPED_CONTROLLER }: Circumstances = {},
): Promise<Outcome> {
  const world = new World({ limit, arrival, latencyMs, seed })
  const made = await make(sender, world, right, controller)
  const trace = await world.live(made, LONGEST_MS)
  return { trace, steps: made instanceof SluiceSender ? made.steps : [] }
}

async function make(
  name: SenderName,
  world: World,
  right: Scenario['right'],
  controller: ControllerPolicy,
): Promise<Sender> {
  if (name === 'stock') return new StockSender(world, { concurrency: STOCK_CONCURRENCY, intervals: STOCK_INTERVALS })
  const options = name === 'sluice' ? { controller } : { profile: fixed(right, FACTORS[name]), controller: undefined }
  return SluiceSender.open(world, options)
}

/** What somebody writes into providers.yaml who knows the limit, or thinks so. */
function fixed(right: Scenario['right'], factor: number): NonNullable<SluiceOptions['profile']> {
  if ('connections' in right) return { connections: right.connections * factor }
  return { connections: 50, messageRate: { limit: right.perSecond * factor, windowMs: 1000 } }
}

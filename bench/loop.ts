import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { ControllerPolicy } from '../src/egress/controller-policy'
import { type LoopFigures, figuresOf } from './loop-figures'
import { type Panel, plot } from './loop-plot'
import { SCENARIOS, SENDERS, type Scenario, type SenderName, TRICKLE, live } from './loop-scenarios'
import { SHIPPED_CONTROLLER } from './loop-sluice'
import type { Trace } from './loop-trace'
import { printTable } from './measure'

const WORDS: Readonly<Record<SenderName, string>> = {
  stock: 'stock Haraka',
  right: 'fixed, right',
  half: 'fixed, half',
  double: 'fixed, double',
  sluice: 'Sluice, controller',
}
const PLOTTED = ['burst', 'changing'] as const
const PLOT = path.join(__dirname, '../docs/closed-loop.svg')
const LATENCIES_MS = [30, 100, 300, 1000]
const { recovery } = SHIPPED_CONTROLLER
/** What somebody may write under `egress.controller`. */
const TUNED: Readonly<Record<string, Partial<ControllerPolicy>>> = {
  shipped: {},
  'floor: 5%': { floor: 0.05 },
  'decrease: 70%': { decrease: 0.7 },
  'every: 2m': { recovery: { ...recovery, everyMs: 120_000 } },
  'every: 2m, decrease: 70%': { recovery: { ...recovery, everyMs: 120_000 }, decrease: 0.7 },
}

const FLOORS = { shipped: SHIPPED_CONTROLLER.floor, 'floor: 1%': 0.01, 'floor: 5%': 0.05 }

type Traces = Record<SenderName, Trace>

/**
 * How fast a limit is found that a provider does not tell, and at what price: the same mail to the same provider by stock
 * Haraka, by limits that somebody has set, and by the controller. In virtual time; no socket is opened.
 */
export async function benchLoop(): Promise<unknown> {
  const results: Record<string, Record<string, LoopFigures>> = {}
  const plotted: Panel[][] = []
  for (const [key, scenario] of Object.entries(SCENARIOS)) {
    const { figures, traces } = await compare(scenario)
    results[key] = figures
    print(scenario, figures)
    if (PLOTTED.some((one) => one === key)) plotted.push(panelsOf(scenario, traces))
  }
  writeFileSync(PLOT, plot('Messages a second over time, means of each minute', plotted))
  console.log('\nwritten: docs/closed-loop.svg')
  return { ...results, latencies: await byLatency(), tuned: await byTuning(), floors: await byFloor() }
}

async function compare(scenario: Scenario) {
  const figures: Record<string, LoopFigures> = {}
  const traces: Partial<Traces> = {}
  for (const sender of SENDERS) {
    const { trace } = await live(scenario, sender)
    figures[sender] = figuresOf(scenario, messagesOf(scenario), trace)
    traces[sender] = trace
  }
  return { figures, traces: traces as Traces }
}

/** The controller cuts rate and connections alike, and what a connection carries depends on how fast answers are. */
async function byLatency(): Promise<Record<string, LoopFigures>> {
  const figures: Record<string, LoopFigures> = {}
  for (const latencyMs of LATENCIES_MS) {
    const { trace } = await live(SCENARIOS.burst, 'sluice', { latencyMs })
    figures[`${latencyMs} ms`] = figuresOf(SCENARIOS.burst, messagesOf(SCENARIOS.burst), trace)
  }
  printTable(`${SCENARIOS.burst.name}: the controller, by how fast answers come`, HEADER, rowsOf(figures))
  return figures
}

/** What other figures of the controller come to, where the provider changes and where it counts what it has refused. */
async function byTuning(): Promise<Record<string, Record<string, LoopFigures>>> {
  const results: Record<string, Record<string, LoopFigures>> = {}
  for (const key of ['changing', 'flowCounting'] as const) {
    const scenario = SCENARIOS[key]
    const figures: Record<string, LoopFigures> = {}
    for (const [name, tuned] of Object.entries(TUNED)) {
      const { trace } = await live(scenario, 'sluice', { controller: { ...SHIPPED_CONTROLLER, ...tuned } })
      figures[name] = figuresOf(scenario, messagesOf(scenario), trace)
    }
    print({ ...scenario, name: `${scenario.name}: the controller with other figures` }, figures)
    results[key] = figures
  }
  return results
}

/** What becomes of mail for a provider who wants less than the least that the controller may come to. */
async function byFloor(): Promise<Record<string, LoopFigures>> {
  const figures: Record<string, LoopFigures> = {}
  for (const [name, floor] of Object.entries(FLOORS)) {
    const { trace } = await live(TRICKLE, 'sluice', { controller: { ...SHIPPED_CONTROLLER, floor } })
    figures[name] = figuresOf(TRICKLE, messagesOf(TRICKLE), trace)
  }
  printTable(`${TRICKLE.name}: the controller, by its floor`, HEADER, rowsOf(figures))
  return figures
}

function messagesOf({ arrival }: Scenario): number {
  return arrival.kind === 'at once' ? arrival.messages : arrival.perSecond * (arrival.forMs / 1000)
}

function panelsOf({ name, bearsAt }: Scenario, traces: Traces): Panel[] {
  return SENDERS.map((sender) => ({ title: `${WORDS[sender]}: ${name}`, trace: traces[sender], bearsAt }))
}

const HEADER = [
  'sender',
  'delivered',
  'sent back',
  'lost',
  'refused/delivered',
  'found (s)',
  'most after, of limit',
  'refused after',
  'limit used',
  'all delivered (min)',
  'mean delay (min)',
  'p99 (min)',
]

function print(scenario: Scenario, figures: Readonly<Record<string, LoopFigures>>): void {
  printTable(scenario.name, HEADER, rowsOf(figures))
  if (!scenario.change) return
  const rows = Object.entries(figures).map(([sender, { usedInChange, returnMs }]) => [
    wordsOf(sender),
    share(usedInChange),
    minutes(returnMs),
  ])
  printTable('The same, when it bears less and afterwards', ['sender', 'limit used', 'as before after (min)'], rows)
}

function rowsOf(figures: Readonly<Record<string, LoopFigures>>): string[][] {
  return Object.entries(figures).map(([sender, of]) => [
    wordsOf(sender),
    String(of.delivered),
    String(of.bounced),
    String(of.lost),
    of.refusedPerDelivered.toFixed(2),
    of.foundMs === undefined ? 'never' : (of.foundMs / 1000).toFixed(0),
    of.overshoot === undefined ? '' : of.overshoot.toFixed(1),
    share(of.refusedAfter),
    share(of.used),
    minutes(of.allMs),
    minutes(of.meanDelayMs),
    minutes(of.p99DelayMs),
  ])
}

function wordsOf(sender: string): string {
  return sender in WORDS ? WORDS[sender as SenderName] : sender
}

function share(value: number | undefined): string {
  return value === undefined ? '' : `${(value * 100).toFixed(1)} %`
}

function minutes(ms: number | undefined): string {
  return ms === undefined || Number.isNaN(ms) ? '' : (ms / 60_000).toFixed(1)
}

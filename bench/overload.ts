/** Three times as much mail as a server can take, most of it from strangers: what its partners feel of it. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HarakaServer } from '../test/support/haraka'
import { LoadProcess, addresses, median, printTable } from './measure'
import type { Arrival, Arrivals, ArrivalsResult } from './open-load'
import { roomyPolicy } from './throughput'

const ROUNDS = Number(process.env.ROUNDS ?? 3)
const [WARM_S, IDLE_S, FLOOD_S, AFTER_S] = [3, 6, 20, 8]
/** By then the level has found what it must shed. */
const ONSET_MS = 1000
/** Of the capacity. */
const [PARTNERS, STRANGERS] = [0.3, 2.7]
const PARTNER_ADDRESSES = addresses(50)
/** In networks of their own, so many that none of them comes twice. */
const STRANGER_ADDRESSES = Array.from(
  { length: 100_000 },
  (_, index) => `127.${3 + (index >> 14)}.${(index >> 7) & 127}.${(index & 127) + 1}`,
)

export interface OverloadFigure {
  readonly capacity: number
  /** p99 of the partners' mail, from the moment at which it was due, in milliseconds. */
  readonly idleP99Ms: number
  readonly floodP99Ms: number
  readonly ratio: number
  /** The same without the first second, in which the level rises. */
  readonly laterP99Ms: number
  /** Shares of those that came. */
  readonly partnersNotTaken: number
  readonly strangersTaken: number
  readonly strangersLost: number
  readonly deferredP99Ms: number
  /** From the end of the flood until every partner was served as if nothing had been. */
  readonly recoveryS: number
  /** Until the load level was 0. */
  readonly calmS: number
}

/** What a message costs besides SMTP: as a signature check or a filter in this process would. */
const WORK_MS = { 'with 4 ms of checks a message': 4, 'nothing but SMTP': 0 }
type Variant = 'without' | 'with overload'

export async function benchOverload(): Promise<Record<string, Record<Variant, OverloadFigure>>> {
  const results: Record<string, Record<Variant, OverloadFigure>> = {}
  for (const [name, workMs] of Object.entries(WORK_MS)) {
    const rounds: Record<Variant, OverloadFigure[]> = { without: [], 'with overload': [] }
    for (let round = 0; round < ROUNDS; round++) {
      const capacity = await measureCapacity(workMs)
      rounds.without.push(await flood('off', workMs, capacity))
      rounds['with overload'].push(await flood('enforce', workMs, capacity))
    }
    results[name] = { without: medians(rounds.without), 'with overload': medians(rounds['with overload']) }
    print(name, results[name])
  }
  return results
}

function startServer(mode: 'off' | 'enforce', workMs: number): Promise<HarakaServer> {
  const work = `exports.hook_data_post = (next) => {
    const end = performance.now() + ${workMs}
    while (performance.now() < end);
    next()
  }`
  return HarakaServer.start({
    sluice: `${roomyPolicy('lmdb:data/sluice')}\noverload: {mode: ${mode}}`,
    plugins: [
      'sluice/plugins/overload',
      'sluice/plugins/connections',
      'sluice/plugins/hardening',
      'sluice/plugins/messages',
      'no_rdns',
      'rcpt_to.in_host_list',
      ...(workMs > 0 ? ['work'] : []),
      'queue/discard',
    ],
    files: { '../plugins/work.js': `const { performance } = require('node:perf_hooks')\n${work}` },
    logLevel: 'error',
    quiet: true,
  })
}

/** Messages a second, one a connection, with as many at a time as keep the server busy. */
async function measureCapacity(workMs: number): Promise<number> {
  const server = await startServer('off', workMs)
  const load = new LoadProcess()
  const order = { port: server.port, perConnection: 1, parallel: 10, from: PARTNER_ADDRESSES }
  await load.run({ ...order, messages: workMs > 0 ? 600 : 3000 })
  const { sent, seconds } = await load.run({ ...order, messages: workMs > 0 ? 600 : 3000 })
  load.stop()
  await server.remove()
  return sent / seconds
}

async function flood(mode: 'off' | 'enforce', workMs: number, capacity: number): Promise<OverloadFigure> {
  const server = await startServer(mode, workMs)
  const [partners, strangers] = [new ArrivalsProcess(), new ArrivalsProcess()]
  const order = { port: server.port, perSecond: capacity * PARTNERS, from: PARTNER_ADDRESSES }
  await partners.run({ ...order, seconds: WARM_S })
  const idle = await partners.run({ ...order, seconds: IDLE_S })
  const [served, refused, calmS] = await Promise.all([
    partners.run({ ...order, seconds: FLOOD_S + AFTER_S }),
    strangers.run({ ...order, perSecond: capacity * STRANGERS, from: STRANGER_ADDRESSES, seconds: FLOOD_S }),
    timeToCalm(server),
  ])
  partners.stop()
  strangers.stop()
  if (server.child.exitCode !== null) throw new Error(`the server ended:\n${server.log}`)
  await server.remove()
  return { capacity, calmS, ...figureOf(idle, served, refused) }
}

function figureOf(idle: readonly Arrival[], served: readonly Arrival[], strangers: readonly Arrival[]) {
  const endMs = FLOOD_S * 1000
  const during = served.filter(({ dueMs }) => dueMs < endMs)
  const [idleP99Ms, floodP99Ms] = [p99(idle, 'taken'), p99(during, 'taken')]
  const isIll = ({ end, tookMs }: Arrival) => end !== 'taken' || tookMs > 3 * idleP99Ms
  const lastIllMs = Math.max(endMs, ...served.filter(isIll).map(({ dueMs }) => dueMs))
  return {
    idleP99Ms,
    floodP99Ms,
    ratio: floodP99Ms / idleP99Ms,
    laterP99Ms: p99(
      during.filter(({ dueMs }) => dueMs >= ONSET_MS),
      'taken',
    ),
    partnersNotTaken: 1 - share(during, 'taken'),
    strangersTaken: share(strangers, 'taken'),
    strangersLost: share(strangers, 'lost'),
    deferredP99Ms: p99(strangers, 'deferred'),
    recoveryS: (lastIllMs - endMs) / 1000,
  }
}

function share(arrivals: readonly Arrival[], end: Arrival['end']): number {
  return arrivals.filter((arrival) => arrival.end === end).length / arrivals.length
}

function p99(arrivals: readonly Arrival[], end: Arrival['end']): number {
  const times = arrivals.filter((arrival) => arrival.end === end).map(({ tookMs }) => tookMs)
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length * 0.99)] ?? 0
}

/** Seconds from the end of the flood until the load level is 0. */
async function timeToCalm(server: HarakaServer): Promise<number> {
  await delay(FLOOD_S * 1000)
  const ended = performance.now()
  while (performance.now() - ended < AFTER_S * 1000) {
    const { text } = await server.get('/metrics')
    if (/^sluice_load_level 0$/m.test(text)) break
    await delay(100)
  }
  return (performance.now() - ended) / 1000
}

/** The generator of open arrivals in a process of its own. */
class ArrivalsProcess {
  private readonly child: ChildProcess = fork(path.join(__dirname, 'open-load.ts'), { execArgv: ['--import', 'tsx'] })

  async run(order: Arrivals): Promise<readonly Arrival[]> {
    this.child.send(order)
    const [{ arrivals }] = (await once(this.child, 'message')) as [ArrivalsResult]
    return arrivals
  }

  stop(): void {
    this.child.kill()
  }
}

function medians(rounds: readonly OverloadFigure[]): OverloadFigure {
  const keys = Object.keys(rounds[0]!) as (keyof OverloadFigure)[]
  return Object.fromEntries(
    keys.map((key) => [key, median(rounds.map((round) => round[key]))]),
  ) as unknown as OverloadFigure
}

function print(name: string, { without, 'with overload': shed }: Record<Variant, OverloadFigure>): void {
  const rows: [string, (figure: OverloadFigure) => string][] = [
    ['p99 of partners, unloaded (ms)', ({ idleP99Ms }) => idleP99Ms.toFixed(1)],
    ['p99 of accepted partners, 3× capacity (ms)', ({ floodP99Ms }) => floodP99Ms.toFixed(1)],
    ['ratio', ({ ratio }) => ratio.toFixed(2)],
    ['the same after the first second', ({ laterP99Ms, idleP99Ms }) => (laterP99Ms / idleP99Ms).toFixed(2)],
    ['partners not taken', ({ partnersNotTaken }) => percent(partnersNotTaken)],
    ['strangers taken', ({ strangersTaken }) => percent(strangersTaken)],
    ['strangers without an answer in 15 s', ({ strangersLost }) => percent(strangersLost)],
    ['p99 until a stranger is deferred (ms)', ({ deferredP99Ms }) => deferredP99Ms.toFixed(1)],
    ['partners served as before after (s)', ({ recoveryS }) => recoveryS.toFixed(1)],
    ['load level 0 after (s)', ({ calmS }) => calmS.toFixed(1)],
  ]
  printTable(
    `Overload, ${name}: capacity ${without.capacity.toFixed(0)}/s, medians of ${ROUNDS} rounds`,
    ['figure', 'without', 'with overload'],
    rows.map(([label, text]) => [label, text(without), text(shed)]),
  )
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`
}

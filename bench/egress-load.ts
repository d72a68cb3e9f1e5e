/** A long queue for a slow provider: what it costs, how exactly it drains, and whether others feel it. */
import { mkdirSync, mkdtempSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { NO_RATES } from './egress-contenders'
import { SinkHost, mostWithin, secondsOf } from './egress-host'
import { fillQueue } from './egress-queue'
import { Sender, type SenderFigures, type SenderOptions } from './egress-sender'
import { printTable } from './measure'

const PER_SECOND = 20
const PROVIDERS = `default: {connections: 20, sessions: {messages: 1000}, ${NO_RATES}}
providers: {slow: {match: {domain: [slow.test]}, message_rate: ${PER_SECOND}/s}}
`

const SETTLE_MS = 5000

export interface LoadSize {
  readonly queued: number
  readonly fast: number
  /** How long the slow provider is watched. */
  readonly seconds: number
}

export interface LoadFigures {
  /** From the start of the process until all is handed over to the paths. */
  readonly loadSeconds: number
  /** What a message that waits weighs. */
  readonly heapBytes: number
  readonly residentBytes: number
  /** Delays of the event loop in ms, p99 and longest. */
  readonly whileLoading: SenderFigures
  readonly whileDraining: SenderFigures
  readonly whileFast: SenderFigures
  /** What the slow provider got a second, and the most in any second. */
  readonly rate: number
  readonly mostInASecond: number
  readonly mostInTenSeconds: number
  readonly cpuShare: number
  /** Seconds from the first to the last of the fast domain: alone; queued among the others at the start; after them. */
  readonly fastAlone: number
  readonly fastAmong: number
  /** The same, from the start of the process. */
  readonly fastAmongFromStart: number
  readonly fastAfter: number
}

export async function benchLoad(size: LoadSize): Promise<LoadFigures> {
  const [slow, fast] = [await SinkHost.start(), await SinkHost.start()]
  const options: SenderOptions = {
    providers: PROVIDERS,
    outbound: 'concurrency_max=200\n',
    hosts: { 'slow.test': slow.port, 'fast.test': fast.port },
    nodeArgs: ['--expose-gc', ...(process.env.HARAKA_NODE_ARGS ?? '').split(' ').filter((text) => text !== '')],
  }
  try {
    const alone = await measureAlone(options, fast, size)
    const figures = await measureLoaded(options, slow, fast, size, alone)
    report(figures, size)
    return figures
  } finally {
    slow.stop()
    fast.stop()
  }
}

interface Alone {
  readonly seconds: number
  readonly figures: SenderFigures
}

/** A warm server with nothing else to do. */
async function measureAlone(options: SenderOptions, fast: SinkHost, size: LoadSize): Promise<Alone> {
  const sender = await Sender.start(options)
  try {
    await sendFast(sender, fast, size)
    const seconds = await sendFast(sender, fast, size)
    await sender.emptied()
    return { seconds, figures: await sender.figures() }
  } finally {
    await sender.server.remove()
  }
}

async function sendFast(sender: Sender, fast: SinkHost, { fast: messages }: LoadSize): Promise<number> {
  await sender.hold('fast.test', messages)
  await sender.figures()
  const [seen] = await Promise.all([fast.take(messages), sender.go()])
  return secondsOf(seen)
}

async function measureLoaded(
  options: SenderOptions,
  slow: SinkHost,
  fast: SinkHost,
  size: LoadSize,
  alone: Alone,
): Promise<LoadFigures> {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-egress-'))
  mkdirSync(path.join(dir, 'queue'))
  // One a millisecond, the fast ones evenly among them.
  const firstDue = Date.now() - 86_000_000 / 2
  fillQueue(path.join(dir, 'queue'), { domain: 'slow.test', messages: size.queued, firstDue, stepMs: 1 })
  const stepMs = size.queued / size.fast
  fillQueue(path.join(dir, 'queue'), { domain: 'fast.test', messages: size.fast, firstDue, stepMs })

  const began = performance.timeOrigin + performance.now()
  const among = fast.take(size.fast)
  const sender = await Sender.start({ ...options, dir })
  try {
    await loaded(sender, size.queued + size.fast)
    const loadSeconds = (performance.timeOrigin + performance.now() - began) / 1000
    const whileLoading = await sender.figures()
    const gone = (await slow.look()).taken.length
    const fastAmong = await among

    const before = await sender.figures()
    // The collection that figures makes holds everything up for a while; what that delayed must not count as too fast.
    await delay(SETTLE_MS)
    await slow.look()
    await delay(size.seconds * 1000)
    const { taken } = await slow.look()
    const whileDraining = await sender.figures()

    const fastAfter = await sendFast(sender, fast, size)
    const whileFast = await sender.figures()
    const waiting = size.queued - gone
    return {
      loadSeconds,
      heapBytes: (whileLoading.heapUsed - alone.figures.heapUsed) / waiting,
      residentBytes: (whileLoading.rss - alone.figures.rss) / waiting,
      whileLoading,
      whileDraining,
      whileFast,
      rate: ((taken.length - 1) * 1000) / (taken.at(-1)! - taken[0]!),
      mostInASecond: mostWithin(taken, 1000),
      mostInTenSeconds: mostWithin(taken, 10_000),
      cpuShare: (whileDraining.cpuSeconds - before.cpuSeconds) / (size.seconds + SETTLE_MS / 1000),
      fastAlone: alone.seconds,
      fastAmong: secondsOf(fastAmong),
      fastAmongFromStart: (fastAmong.taken.at(-1)! - began) / 1000,
      fastAfter,
    }
  } finally {
    await sender.server.remove()
  }
}

/** Waits until Haraka has handed everything over. */
async function loaded(sender: Sender, messages: number): Promise<void> {
  for (;;) {
    const { handedOver, queued } = await sender.progress()
    if (handedOver >= messages && queued === 0) return
    await delay(250)
  }
}

function report(figures: LoadFigures, { queued, fast, seconds }: LoadSize): void {
  const loop = ({ p99, longest }: SenderFigures) => `${p99.toFixed(1)}, ${longest.toFixed(0)}`
  printTable(
    `${queued} messages for a provider at ${PER_SECOND}/s, ${fast} for a fast one`,
    ['figure', 'value', 'to reach'],
    [
      ['until all wait for their path (s)', figures.loadSeconds.toFixed(1), ''],
      ['heap a message (bytes)', figures.heapBytes.toFixed(0), ''],
      ['resident memory a message (bytes)', figures.residentBytes.toFixed(0), ''],
      ['event loop, while loading: p99, longest (ms)', loop(figures.whileLoading), '≤ 50'],
      ['event loop, while draining: p99, longest (ms)', loop(figures.whileDraining), '≤ 50'],
      ['event loop, while the fast ones go: p99, longest (ms)', loop(figures.whileFast), '≤ 50'],
      [`rate of the slow provider, over ${seconds} s (messages/s)`, figures.rate.toFixed(3), `${PER_SECOND} ± 2 %`],
      ['the most in any second', figures.mostInASecond.toFixed(0), `${PER_SECOND}`],
      ['the most in ten seconds', figures.mostInTenSeconds.toFixed(0), `${PER_SECOND * 10}`],
      ['CPU while draining', `${(figures.cpuShare * 100).toFixed(1)} %`, ''],
      [`${fast} fast ones alone (s)`, figures.fastAlone.toFixed(1), ''],
      [`${fast} fast ones, when the others wait (s)`, figures.fastAfter.toFixed(1), 'as alone'],
      [`${fast} fast ones, read at start among the others (s)`, figures.fastAmong.toFixed(1), ''],
      ['the same, from the start of the process (s)', figures.fastAmongFromStart.toFixed(1), ''],
    ],
  )
}

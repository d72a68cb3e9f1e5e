/** Many messages to one host: sessions that are used again, against a connection for each message. */
import { setTimeout as delay } from 'node:timers/promises'
import { CONNECTIONS, type Contender, postfix, sluice, stock } from './egress-contenders'
import { SinkHost, secondsOf } from './egress-host'
import type { Seen, SinkOptions } from './egress-sink'
import { median, printTable } from './measure'

const ROUNDS = Number(process.env.ROUNDS ?? 5)

interface Line {
  readonly name: string
  readonly domain: string
  readonly sink: SinkOptions
  /** Ratio to stock that is to be reached. */
  readonly toReach: number
}

const LINES: readonly Line[] = [
  { name: 'plain', domain: 'plain.test', sink: {}, toReach: 2.5 },
  { name: 'STARTTLS', domain: 'tls.test', sink: { starttls: true }, toReach: 4 },
  {
    name: 'STARTTLS, 20 ms a handshake',
    domain: 'handshake.test',
    sink: { starttls: true, handshakeMs: 20 },
    toReach: 5,
  },
  { name: 'STARTTLS, 20 ms a reply', domain: 'replies.test', sink: { starttls: true, replyMs: 20 }, toReach: 2.5 },
]

export interface SessionFigure {
  readonly line: string
  readonly name: string
  readonly perSecond: number
  /** Median of the ratios to the first contender, round by round. */
  readonly ratio: number
  readonly toReach: number
  readonly connections: number
  readonly mostOpen: number
  readonly cpuMs: number
  readonly sinkCpuMs: number
}

/** With Postfix, without stock, or all three: in the same turns. */
export async function benchSessions(
  messages: number,
  who: { stock: boolean; postfix: boolean },
): Promise<SessionFigure[]> {
  const sinks = new Map<Line, SinkHost>()
  const harakas: Contender[] = []
  const figures: SessionFigure[] = []
  try {
    for (const line of LINES) sinks.set(line, await SinkHost.start(line.sink))
    const hosts = Object.fromEntries([...sinks].map(([{ domain }, { port }]) => [domain, port]))
    if (who.stock) harakas.push(await stock(hosts))
    harakas.push(await sluice(hosts))
    for (const [line, sink] of sinks) {
      const others = who.postfix ? [await postfix(sink.port, line.sink.starttls === true)] : []
      try {
        figures.push(...(await compare(line, sink, [...harakas, ...others], messages)))
      } finally {
        for (const other of others) await other.stop()
      }
    }
  } finally {
    for (const haraka of harakas) await haraka.stop()
    for (const sink of sinks.values()) sink.stop()
  }
  report(figures, messages)
  return figures
}

interface Burst {
  readonly perSecond: number
  readonly cpuMs: number
  readonly seen: Seen
}

async function compare(
  line: Line,
  sink: SinkHost,
  all: readonly Contender[],
  messages: number,
): Promise<SessionFigure[]> {
  const bursts = new Map<Contender, Burst[]>(all.map((contender) => [contender, []]))
  for (const contender of all) await burst(line, sink, contender, Math.ceil(messages / 2))
  for (let round = 0; round < ROUNDS; round++) {
    for (let turn = 0; turn < all.length; turn++) {
      const contender = all[(turn + round) % all.length]!
      bursts.get(contender)!.push(await burst(line, sink, contender, messages))
    }
  }
  const first = bursts.get(all[0]!)!
  return all.map((contender) => {
    const mine = bursts.get(contender)!
    const of = (key: (burst: Burst) => number) => median(mine.map(key))
    return {
      line: line.name,
      name: contender.name,
      perSecond: of(({ perSecond }) => perSecond),
      ratio: median(mine.map(({ perSecond }, round) => perSecond / first[round]!.perSecond)),
      toReach: line.toReach,
      connections: of(({ seen }) => seen.connections),
      mostOpen: of(({ seen }) => seen.mostOpen),
      cpuMs: of(({ cpuMs }) => cpuMs),
      sinkCpuMs: of(({ seen }) => (seen.cpuSeconds * 1000) / messages),
    }
  })
}

async function burst({ domain }: Line, sink: SinkHost, contender: Contender, messages: number): Promise<Burst> {
  await contender.queue(domain, messages)
  await sink.look()
  const before = contender.cpuSeconds() ?? Number.NaN
  const [seen] = await Promise.all([sink.take(messages), contender.release()])
  const cpuMs = (((contender.cpuSeconds() ?? Number.NaN) - before) / messages) * 1000
  await contender.settled()
  // Nobody begins with connections of an earlier turn.
  while ((await sink.look()).mostOpen > 0) await delay(100)
  return { perSecond: (messages - 1) / secondsOf(seen), cpuMs, seen }
}

function report(figures: readonly SessionFigure[], messages: number): void {
  const first = figures[0]!.name
  printTable(
    `${messages} messages of 1 kB to one host, ${CONNECTIONS} connections, medians of ${ROUNDS} alternating bursts`,
    [
      'host',
      'sender',
      'messages/s',
      `of ${first}`,
      'to reach',
      'connections',
      'open',
      'CPU ms/message',
      'CPU ms of the host',
    ],
    figures.map(({ line, name, perSecond, ratio, toReach, connections, mostOpen, cpuMs, sinkCpuMs }) => [
      line,
      name,
      perSecond.toFixed(0),
      ratio.toFixed(2),
      name === 'Sluice' && first === 'stock' ? toReach.toFixed(1) : '',
      connections.toFixed(0),
      mostOpen.toFixed(0),
      Number.isNaN(cpuMs) ? '' : cpuMs.toFixed(3),
      sinkCpuMs.toFixed(3),
    ]),
  )
}

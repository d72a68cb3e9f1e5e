/** The whole inbound set in force, against bare Haraka and against the plugins that do comparable work without it. */
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { DnsServer } from '../test/support/dns-server'
import { HarakaServer } from '../test/support/haraka'
import { RedisServer } from '../test/support/redis-server'
import { GREY_MS, ZONES, clients, inboundServers, startDns } from './inbound-servers'
import type { LoadResult } from './load'
import { LoadProcess, median, printTable } from './measure'
import { type Trips, readTrips, tripsBetween } from './trips'
import { type Figure, figuresOf, takeTurns } from './turns'

const ROUNDS = Number(process.env.ROUNDS ?? 9)
const PARALLEL = 10
const CLIENTS = clients()
/** Senders of each client: 1000 triplets in all. */
const SENDERS = 5
const BURST: Record<number, number> = { 1: 1000, 100: 4000 }
const WARM_UP: Record<number, number> = { 1: 1000, 100: 5000 }

export interface InboundFigure extends Figure {
  readonly perConnection: number
  /** Messages per second as a multiple of the stock set's, round by round. */
  readonly ofStock: number
  readonly tripsPerMessage: Trips
}

export async function benchInbound(): Promise<InboundFigure[]> {
  const redis = await RedisServer.start()
  const dns = await startDns()
  const load = new LoadProcess()
  const client = new Redis(redis.url)
  const servers = new Map<string, HarakaServer>()
  try {
    for (const [name, options] of Object.entries(inboundServers(redis, dns))) {
      servers.set(name, await HarakaServer.start({ ...options, logLevel: 'error', quiet: true }))
    }
    await introduce(servers, load, dns)
    const figures: InboundFigure[] = []
    for (const perConnection of [1, 100]) figures.push(...(await compare(servers, load, client, perConnection)))
    return figures
  } finally {
    load.stop()
    client.disconnect()
    for (const server of servers.values()) await server.remove()
    await redis.stop()
    await dns.close()
  }
}

/** Everybody is greylisted once, and comes back: from then on he is known. */
export async function introduce(
  servers: ReadonlyMap<string, HarakaServer>,
  load: LoadProcess,
  dns: DnsServer,
): Promise<void> {
  const messages = CLIENTS.length * SENDERS
  for (const [name, { port }] of servers) {
    const order = {
      port,
      messages,
      perConnection: 1,
      parallel: PARALLEL,
      from: CLIENTS,
      senders: SENDERS,
      inTurn: true,
    }
    const asked = dns.questions.length
    const first = await load.run(order)
    await delay(GREY_MS + 1000)
    const second = await load.run(order)
    const third = await load.run(order)
    if (third.refused > 0) throw new Error(`${name}: ${third.refused} of those who had come back were refused`)
    if (name === 'bare') continue
    if (first.refused === 0 || second.refused === messages)
      throw new Error(
        `${name}: ${first.refused} of ${messages} were greylisted, and ${second.refused} when they came back\n${servers.get(name)!.log}`,
      )
    for (const zone of ZONES) {
      if (!dns.questions.slice(asked).some((question) => question.endsWith(zone)))
        throw new Error(`${name}: no ${zone}`)
    }
  }
}

async function compare(
  servers: ReadonlyMap<string, HarakaServer>,
  load: LoadProcess,
  client: Redis,
  perConnection: number,
): Promise<InboundFigure[]> {
  const trips = new Map<string, Trips[]>()
  const order = (messages: number) => (name: string) => {
    return {
      port: servers.get(name)!.port,
      messages,
      perConnection,
      parallel: PARALLEL,
      from: CLIENTS,
      senders: SENDERS,
    }
  }
  const turns = await takeTurns(servers, load, {
    rounds: ROUNDS,
    warmUp: order(WARM_UP[perConnection]!),
    burst: order(BURST[perConnection]!),
    counted: (name, { sent, refused }) => {
      if (refused > 0) throw new Error(`${name}: ${refused} refused\n${servers.get(name)!.log}`)
      return sent
    },
    around: async (name, burst): Promise<LoadResult> => {
      const before = await readTrips(servers.get(name)!, client)
      const result = await burst()
      const after = await readTrips(servers.get(name)!, client)
      trips.set(name, [...(trips.get(name) ?? []), tripsBetween(before, after, result.sent)])
      return result
    },
  })
  const stock = turns.find(({ name }) => name.startsWith('stock'))!
  const figures = figuresOf(turns).map((figure, index) => ({
    ...figure,
    perConnection,
    ofStock: median(turns[index]!.rates.map((rate, round) => rate / stock.rates[round]!)),
    tripsPerMessage: medianTrips(trips.get(figure.name)!),
  }))
  report(figures)
  return figures
}

function medianTrips(trips: readonly Trips[]): Trips {
  const of = (key: keyof Trips) => median(trips.map((each) => each[key]))
  return { batches: of('batches'), reads: of('reads'), commands: of('commands') }
}

function report(figures: readonly InboundFigure[]): void {
  const count = (value: number) => (Number.isNaN(value) ? '' : value.toFixed(1))
  printTable(
    `The inbound set, ${figures[0]!.perConnection} messages a connection, ${PARALLEL} connections, medians of ${ROUNDS} alternating bursts`,
    ['server', 'messages/s', 'of bare', 'of stock', 'CPU ms/message', 'batches', 'Redis trips', 'Redis commands'],
    figures.map(({ name, perSecond, ratio, ofStock, cpuMs, tripsPerMessage: { batches, reads, commands } }) => [
      name,
      perSecond.toFixed(0),
      ratio.toFixed(2),
      ofStock.toFixed(2),
      cpuMs.toFixed(3),
      count(batches),
      count(reads),
      count(commands),
    ]),
  )
}

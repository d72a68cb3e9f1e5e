/** A flood from one client over its limit, and what a well-behaved client feels of it. */
import { HarakaServer } from '../test/support/haraka'
import { onlyLimits } from '../test/support/limits'
import { LoadProcess, cpuSeconds, median, printTable } from './measure'

const FLOODER = '127.9.9.9'
const ROUNDS = Number(process.env.ROUNDS ?? 7)
const GOOD_MESSAGES = 600
const FLOOD_CONNECTIONS = 12_000

/** One connection a minute is allowed to the flooder's address; the good client, of another network, has all it wants. */
const POLICY = `mode: enforce
store: 'lmdb:data/sluice'
trusted: []
session: {junk: 10000}
${onlyLimits("  connection_rate: {limit: 1/min, tiers: false, overrides: {'127.1.0.0/16': exempt}}")}`

export interface FloodFigure {
  readonly refusedPerSecond: number
  readonly cpuMsPerRefusal: number
  /** Batches that reached the store while the flood lasted and only the flooder was there. */
  readonly storeTrips: number
  readonly idleP99Ms: number
  readonly floodP99Ms: number
}

export async function benchFlood(): Promise<FloodFigure> {
  const [good, bad] = [new LoadProcess(), new LoadProcess()]
  const rounds: FloodFigure[] = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(await floodOnce(good, bad))
  good.stop()
  bad.stop()
  const figure = Object.fromEntries(
    Object.keys(rounds[0]!).map((key) => [key, median(rounds.map((round) => round[key as keyof FloodFigure]))]),
  ) as unknown as FloodFigure
  printTable(
    `Flood from a client over its limit, medians of ${ROUNDS} rounds`,
    ['figure', 'value'],
    [
      ['connections refused per second', figure.refusedPerSecond.toFixed(0)],
      ['CPU ms per refused connection', figure.cpuMsPerRefusal.toFixed(3)],
      ['store trips during the flood', figure.storeTrips.toFixed(0)],
      ['p99 of a good client, idle server (ms)', figure.idleP99Ms.toFixed(2)],
      ['p99 of a good client, during the flood (ms)', figure.floodP99Ms.toFixed(2)],
      ['ratio', (figure.floodP99Ms / figure.idleP99Ms).toFixed(2)],
    ],
  )
  return figure
}

async function floodOnce(good: LoadProcess, bad: LoadProcess): Promise<FloodFigure> {
  const plugins = [
    'sluice/plugins/connections',
    'sluice/plugins/messages',
    'no_rdns',
    'rcpt_to.in_host_list',
    'queue/discard',
  ]
  const server = await HarakaServer.start({ sluice: POLICY, plugins, logLevel: 'error', quiet: true })
  const goodOrder = { port: server.port, messages: GOOD_MESSAGES, perConnection: 10, parallel: 2, from: ['127.1.0.1'] }
  const flood = { port: server.port, messages: FLOOD_CONNECTIONS, perConnection: 1, parallel: 20, from: [FLOODER] }
  await good.run(goodOrder)
  const idle = await good.run(goodOrder)

  await bad.run({ ...flood, messages: 50 })
  const trips = await storeTrips(server)
  const cpu = cpuSeconds(server.child.pid!)
  const alone = await bad.run(flood)
  const cpuUsed = cpuSeconds(server.child.pid!) - cpu
  const tripsAfter = await storeTrips(server)

  const [meanwhile] = await Promise.all([good.run(goodOrder), bad.run(flood)])
  await server.remove()
  if (idle.refused + meanwhile.refused > 0) throw new Error(`the good client was refused\n${server.log}`)
  return {
    refusedPerSecond: alone.refused / alone.seconds,
    cpuMsPerRefusal: (cpuUsed / alone.refused) * 1000,
    storeTrips: tripsAfter - trips,
    idleP99Ms: idle.p99,
    floodP99Ms: meanwhile.p99,
  }
}

async function storeTrips(server: HarakaServer): Promise<number> {
  const { text } = await server.get('/metrics')
  return Number(/^sluice_store_batches_total (\d+)/m.exec(text)?.[1] ?? Number.NaN)
}

/**
 * A flood from a banned network, against bare Haraka that greets the same flood and lets it go: straight, and from behind a
 * proxy, where only Haraka can tell who it is.
 */
import path from 'node:path'
import { inOwnNetwork } from '../test/support/own-network'
import { HarakaServer } from '../test/support/haraka'
import { LoadProcess, median, printTable } from './measure'
import { roomyPolicy } from './throughput'
import { type Figure, figuresOf, printFigures, takeTurns } from './turns'

const ROUNDS = Number(process.env.ROUNDS ?? 9)
const BANNED = '198.18.66.0/24'
/** Many, since a closed connection keeps its port for a minute and the search for a free one would be what is measured. */
const BANNED_CLIENTS = Array.from({ length: 200 }, (_, index) => `198.18.66.${index + 1}`)
const GOOD = ['198.18.1.1']
const MOST_MS = 600_000
const BURST = 1500
const WARM_UP = 3000
const GOOD_MESSAGES = 300
const PARALLEL = 20
export const POLICY = `${roomyPolicy('lmdb:data/sluice')}\njail: {mode: enforce}\n`
export const REST = ['no_rdns', 'rcpt_to.in_host_list', 'queue/discard']
export const OURS = ['sluice/plugins/jail', 'sluice/plugins/connections', 'sluice/plugins/messages', ...REST]

export interface BansFigure {
  readonly straight: readonly Figure[]
  readonly proxied: readonly Figure[]
  /** Batches that reached the store for all refused connections together. */
  readonly storeTrips: number
  readonly idleP99Ms: number
  readonly floodP99Ms: number
}

export async function benchBans(): Promise<BansFigure> {
  return (await inOwnNetwork(path.join(__dirname, 'bans-flood.ts'), MOST_MS)) as BansFigure
}

/** Must run where the clients' addresses are the host's own. */
export async function floodFromBanned(): Promise<BansFigure> {
  const [flood, good] = [new LoadProcess(), new LoadProcess()]
  const quiet = { logLevel: 'error', quiet: true }
  const servers = new Map([
    ['bare', await HarakaServer.start({ sluice: '', plugins: REST, ...quiet })],
    ['Sluice', await HarakaServer.start({ sluice: POLICY, plugins: OURS, ...quiet })],
    // As servers run: with a log line for each session.
    ['bare, logs', await HarakaServer.start({ sluice: '', plugins: REST })],
    ['Sluice, logs', await HarakaServer.start({ sluice: POLICY, plugins: OURS })],
  ])
  try {
    const ours = [...servers].filter(([name]) => name.startsWith('Sluice')).map(([, server]) => server)
    for (const server of ours) await server.ban(BANNED)
    const before = await storeTrips(ours)
    const straight = figuresOf(await turnAway(servers, flood, true))
    const proxied = figuresOf(await turnAway(servers, flood, false))
    const trips = (await storeTrips(ours)) - before
    const figure = { straight, proxied, storeTrips: trips, ...(await feel(servers, flood, good)) }
    report(figure)
    if (trips > 0) throw new Error(`${trips} store trips for a banned client`)
    return figure
  } finally {
    flood.stop()
    good.stop()
    for (const server of servers.values()) await server.remove()
  }
}

type Servers = ReadonlyMap<string, HarakaServer>

/** Every connection of the flood is greeted and lets go by itself, or is refused: as the server is. */
function order(servers: Servers, name: string, messages: number, direct: boolean) {
  const { port } = servers.get(name)!
  return { port, messages, perConnection: 0, parallel: PARALLEL, from: BANNED_CLIENTS, direct }
}

function turnAway(servers: Servers, flood: LoadProcess, direct: boolean) {
  return takeTurns(servers, flood, {
    rounds: ROUNDS,
    warmUp: (name) => order(servers, name, WARM_UP, direct),
    burst: (name) => order(servers, name, BURST, direct),
    counted: (name, { sent, refused }) => {
      const ours = name.startsWith('Sluice')
      if ((ours ? sent : refused) > 0) throw new Error(`${name}: ${sent} greeted, ${refused} refused`)
      return ours ? refused : sent
    },
  })
}

/** A good client of another network, alone and during the flood. */
async function feel(servers: Servers, flood: LoadProcess, good: LoadProcess) {
  const { port } = servers.get('Sluice')!
  const goodOrder = { port, messages: GOOD_MESSAGES, perConnection: 10, parallel: 2, from: GOOD, direct: true }
  const idle: number[] = []
  const meanwhile: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await good.run(goodOrder)
    const [among] = await Promise.all([good.run(goodOrder), flood.run(order(servers, 'Sluice', BURST, true))])
    if (alone.refused + among.refused > 0) throw new Error('the good client was refused')
    idle.push(alone.p99)
    meanwhile.push(among.p99)
  }
  return { idleP99Ms: median(idle), floodP99Ms: median(meanwhile) }
}

async function storeTrips(servers: readonly HarakaServer[]): Promise<number> {
  let trips = 0
  for (const server of servers) {
    const { text } = await server.get('/metrics')
    trips += Number(/^sluice_store_batches_total (\d+)/m.exec(text)?.[1] ?? Number.NaN)
  }
  return trips
}

function report({ straight, proxied, storeTrips: trips, idleP99Ms, floodP99Ms }: BansFigure): void {
  const title = `A banned network, ${PARALLEL} connections at a time, medians of ${ROUNDS} alternating bursts`
  printFigures(title, 'connection', straight)
  printFigures(`${title}, from behind a proxy`, 'connection', proxied)
  printTable(
    'Beside the flood',
    ['figure', 'value'],
    [
      ['store trips for all refused connections', String(trips)],
      ['p99 of a good client, idle server (ms)', idleP99Ms.toFixed(2)],
      ['p99 of a good client, during the flood (ms)', floodP99Ms.toFixed(2)],
      ['ratio', (floodP99Ms / idleP99Ms).toFixed(2)],
    ],
  )
}

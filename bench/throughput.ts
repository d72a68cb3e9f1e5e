/** Messages per second through a real Haraka: bare, with Sluice on two stores, with haraka-plugin-limit. */
import { HarakaServer, type HarakaOptions } from '../test/support/haraka'
import { RedisServer } from '../test/support/redis-server'
import { LoadProcess, addresses } from './measure'
import { type Figure, figuresOf, printFigures, takeTurns } from './turns'

const PARALLEL = 10
const ROUNDS = Number(process.env.ROUNDS ?? 15)
const CLIENTS = addresses(50)
/** Messages by messages a connection: about a second each. */
const BURST: Record<number, number> = { 1: 1500, 100: 6000 }
const WARM_UP: Record<number, number> = { 1: 4000, 100: 20_000 }

/** The shipped rules, each far above the load: every rule is judged, nothing is refused. */
export function roomyPolicy(store: string): string {
  const limits = [
    ['connection_rate', '1000000/min'],
    ['client_messages', '1000000/min'],
    ['client_recipients', '1000000/min'],
    ['client', '[1000000/min, 5000000/h]'],
    ['sender', '[1000000/min, 5000000/h]'],
    ['sender_domain', '[1000000/min, 5000000/h]'],
    ['recipient', '1000000/min'],
    ['recipient_share', '1000000/min'],
  ]
  return [
    'mode: enforce',
    `store: '${store}'`,
    'trusted: []',
    'session: {junk: 10000}',
    'limits:',
    ...limits.map(([name, limit]) => `  ${name}: {limit: ${limit}}`),
    '  parallel_sessions: {limit: {concurrency: 10000}}',
  ].join('\n')
}

const SLUICE = ['sluice/plugins/connections', 'sluice/plugins/hardening', 'sluice/plugins/messages']
/** Reverse lookups are answered at once in all variants: we measure no name server. */
const REST = ['no_rdns', 'rcpt_to.in_host_list', 'queue/discard']

export const LIMIT_INI = (port: number) => `[redis]
host=127.0.0.1
port=${port}
[concurrency]
enabled=true
max=100000
[errors]
enabled=true
max=1000000
[unrecognized_commands]
enabled=true
max=1000000
[recipients]
enabled=true
max=1000000
[rate_conn]
enabled=true
default=1000000/1m
[rate_rcpt_host]
enabled=true
default=1000000/1m
[rate_rcpt_sender]
enabled=true
default=1000000/1m
[rate_rcpt]
enabled=true
default=1000000/1m
[rate_rcpt_null]
enabled=true
default=1000000
`

export interface Throughput extends Figure {
  readonly perConnection: number
}

export async function benchThroughput(): Promise<Throughput[]> {
  const redis = await RedisServer.start()
  const load = new LoadProcess()
  const servers = new Map<string, HarakaServer>()
  try {
    for (const [name, options] of Object.entries(variants(redis))) {
      servers.set(name, await HarakaServer.start({ ...options, logLevel: 'error', quiet: true }))
    }
    const results: Throughput[] = []
    for (const perConnection of [1, 100]) results.push(...(await compare(servers, load, perConnection)))
    return results
  } finally {
    load.stop()
    for (const server of servers.values()) await server.remove()
    await redis.stop()
  }
}

function variants(redis: RedisServer): Record<string, HarakaOptions> {
  return {
    bare: { sluice: '', plugins: REST },
    'sluice, lmdb': { sluice: roomyPolicy('lmdb:data/sluice'), plugins: [...SLUICE, ...REST] },
    'sluice, redis': { sluice: roomyPolicy(redis.url), plugins: [...SLUICE, ...REST] },
    'haraka-plugin-limit, redis': {
      sluice: '',
      plugins: ['limit', ...REST],
      files: { 'limit.ini': LIMIT_INI(redis.port), 'redis.ini': `[server]\nhost=127.0.0.1\nport=${redis.port}\n` },
    },
  }
}

async function compare(
  servers: ReadonlyMap<string, HarakaServer>,
  load: LoadProcess,
  perConnection: number,
): Promise<Throughput[]> {
  const order = (messages: number) => (name: string) => {
    return { port: servers.get(name)!.port, messages, perConnection, parallel: PARALLEL, from: CLIENTS }
  }
  const turns = await takeTurns(servers, load, {
    rounds: ROUNDS,
    warmUp: order(WARM_UP[perConnection]!),
    burst: order(BURST[perConnection]!),
    counted: (name, { sent, refused }) => {
      if (refused > 0) throw new Error(`${name}: ${refused} refused\n${servers.get(name)!.log}`)
      return sent
    },
  })
  const figures = figuresOf(turns)
  const title = `Throughput, ${perConnection} messages a connection, ${PARALLEL} connections, medians of ${ROUNDS} alternating bursts`
  printFigures(title, 'message', figures)
  return figures.map((figure) => ({ ...figure, perConnection }))
}

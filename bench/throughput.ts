/** Messages per second through a real Haraka: bare, with Sluice on two stores, with haraka-plugin-limit. */
import { HarakaServer, type HarakaOptions } from '../test/support/haraka'
import { RedisServer } from '../test/support/redis-server'
import { LoadProcess, addresses, cpuSeconds, median, printTable } from './measure'

const PARALLEL = 10
const ROUNDS = Number(process.env.ROUNDS ?? 3)
const MESSAGES: Record<number, number> = { 1: 5000, 100: 30_000 }

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
  ]
  return [
    'mode: enforce',
    `store: '${store}'`,
    'trusted: []',
    'session: {junk: 10000}',
    'limits:',
    ...limits.map(([name, limit]) => `  ${name}: {limit: ${limit}}`),
    '  parallel_sessions: {limit: {concurrency: 100000}}',
  ].join('\n')
}

const SLUICE = ['sluice/plugins/connections', 'sluice/plugins/hardening', 'sluice/plugins/messages']
/** Reverse lookups are answered at once in all variants: we measure no name server. */
const REST = ['no_rdns', 'rcpt_to.in_host_list', 'queue/discard']

const LIMIT_INI = (port: number) => `[redis]
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

export interface Throughput {
  readonly name: string
  readonly perConnection: number
  readonly messagesPerSecond: number
  readonly ratio: number
  readonly cpuMsPerMessage: number
}

export async function benchThroughput(): Promise<Throughput[]> {
  const redis = await RedisServer.start()
  const variants: Record<string, HarakaOptions> = {
    bare: { sluice: '', plugins: REST },
    'sluice, lmdb': { sluice: roomyPolicy('lmdb:data/sluice'), plugins: [...SLUICE, ...REST] },
    'sluice, redis': { sluice: roomyPolicy(redis.url), plugins: [...SLUICE, ...REST] },
    'haraka-plugin-limit, redis': {
      sluice: '',
      plugins: ['limit', ...REST],
      files: { 'limit.ini': LIMIT_INI(redis.port), 'redis.ini': `[server]\nhost=127.0.0.1\nport=${redis.port}\n` },
    },
  }
  const load = new LoadProcess()
  const figures = new Map<string, { rates: number[]; cpu: number[] }>()
  for (const perConnection of [1, 100]) {
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, options] of Object.entries(variants)) {
        const server = await HarakaServer.start({ ...options, logLevel: 'error', quiet: true })
        const order = { port: server.port, perConnection, parallel: PARALLEL, from: addresses(50) }
        await load.run({ ...order, messages: MESSAGES[perConnection]! / 4 })
        const before = cpuSeconds(server.child.pid!)
        const result = await load.run({ ...order, messages: MESSAGES[perConnection]! })
        const cpu = cpuSeconds(server.child.pid!) - before
        if (result.refused > 0) {
          load.stop()
          await server.remove()
          await redis.stop()
          throw new Error(`${name}: ${result.refused} refused\n${server.log}`)
        }
        const key = `${name}|${perConnection}`
        const kept = figures.get(key) ?? { rates: [], cpu: [] }
        kept.rates.push(result.sent / result.seconds)
        kept.cpu.push((cpu / result.sent) * 1000)
        figures.set(key, kept)
        await server.remove()
      }
    }
  }
  load.stop()
  await redis.stop()
  return report(figures, Object.keys(variants))
}

function report(figures: Map<string, { rates: number[]; cpu: number[] }>, names: readonly string[]): Throughput[] {
  const results: Throughput[] = []
  for (const perConnection of [1, 100]) {
    const bare = figures.get(`bare|${perConnection}`)!
    for (const name of names) {
      const { rates, cpu } = figures.get(`${name}|${perConnection}`)!
      // Paired by round: the machine's speed drifts, its ratio does not.
      const ratio = median(rates.map((rate, round) => rate / bare.rates[round]!))
      results.push({ name, perConnection, messagesPerSecond: median(rates), ratio, cpuMsPerMessage: median(cpu) })
    }
  }
  printTable(
    `Throughput, ${PARALLEL} connections, medians of ${ROUNDS} alternating rounds`,
    ['server', 'messages/connection', 'messages/s', 'of bare', 'CPU ms/message'],
    results.map((r) => [
      r.name,
      String(r.perConnection),
      r.messagesPerSecond.toFixed(0),
      r.ratio.toFixed(2),
      r.cpuMsPerMessage.toFixed(3),
    ]),
  )
  return results
}

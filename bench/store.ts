/** Batches of 12 limits (6 keys × 2 windows) per second on each store, and the same limits with rate-limiter-flexible. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { openStore, parseStoreSpec } from '../src/store/open-store'
import type { Ask, Window } from '../src/store/store'
import { RedisServer } from '../test/support/redis-server'
import { BARE, median, printTable } from './measure'

const ROUNDS = Number(process.env.ROUNDS ?? 5)
/** Batches under way at a time on a remote store, as from that many sessions. */
const PARALLEL = 100
/** The filter layer's shipped limits for a sender. */
const SHIPPED: readonly Window[] = [
  { limit: 5, windowMs: 60_000 },
  { limit: 30, windowMs: 3_600_000 },
]
/** So large that nothing is refused and tapes are at their longest. */
const LARGE: readonly Window[] = [
  { limit: 1_000_000, windowMs: 60_000 },
  { limit: 5_000_000, windowMs: 3_600_000 },
]

export interface StoreFigure {
  readonly name: string
  readonly batchesPerSecond: number
  readonly ratio: number
}

/** Six keys, each among `spread`: many mean short tapes, as senders and recipients have; few mean hot ones. */
function batch(windows: readonly Window[], spread: number): Ask[] {
  const key = () => Math.floor(Math.random() * spread)
  return ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => ({
    op: 'window',
    key: `${name}|${key()}`,
    enforced: true,
    windows,
    cost: 1,
  }))
}

const MANY = 100_000
const FEW = 100

async function measure(run: () => Promise<unknown>, batches: number): Promise<number> {
  let left = batches
  const worker = async () => {
    while (left-- > 0) await run()
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  return batches / ((performance.now() - started) / 1000)
}

export async function benchStore(): Promise<StoreFigure[]> {
  const redis = await RedisServer.start()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-bench-'))
  const specs = { memory: 'memory', lmdb: `lmdb:${folder}`, redis: redis.url }
  const client = new Redis(redis.url)
  const flexible = (windows: readonly Window[], name: string) =>
    Array.from({ length: 12 }, (_, index) => {
      const { limit, windowMs } = windows[index % 2]!
      return new RateLimiterRedis({
        storeClient: client,
        keyPrefix: `${name}${index}`,
        points: limit,
        duration: windowMs / 1000,
      })
    })
  const consume = (limiters: readonly RateLimiterRedis[], asks: readonly Ask[]) =>
    Promise.allSettled(limiters.map((limiter, index) => limiter.consume(asks[index >> 1]!.key)))
  const [small, large] = [flexible(SHIPPED, 's'), flexible(LARGE, 'l')]
  const ours = (spec: string, windows: readonly Window[], spread: number, batches: number) => async () => {
    // Opened for this run alone: what one store still writes behind would be timed with the one after it.
    const store = openStore(parseStoreSpec(spec), BARE)
    await store.open()
    const judge = async () => store.judge(batch(windows, spread))
    await measure(judge, batches / 10)
    const rate = await measure(judge, batches)
    await store.close()
    return rate
  }
  const peers = (limiters: readonly RateLimiterRedis[], windows: readonly Window[], spread: number) => async () => {
    const run = () => consume(limiters, batch(windows, spread))
    await measure(run, 800)
    return measure(run, 8000)
  }
  const runs: Record<string, () => Promise<number>> = {
    memory: ours(specs.memory, SHIPPED, MANY, 100_000),
    'lmdb, one process': ours(specs.lmdb, SHIPPED, MANY, 100_000),
    'redis, 5/min 30/h, many keys': ours(specs.redis, SHIPPED, MANY, 30_000),
    'rate-limiter-flexible, the same': peers(small, SHIPPED, MANY),
    'redis, large limits, hot keys': ours(specs.redis, LARGE, FEW, 30_000),
    'rate-limiter-flexible, hot keys': peers(large, LARGE, FEW),
  }
  const rates = new Map<string, number[]>()
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(runs)) rates.set(name, [...(rates.get(name) ?? []), await run()])
  }
  await client.quit()
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
  return report(rates)
}

function report(rates: ReadonlyMap<string, readonly number[]>): StoreFigure[] {
  const peer = (name: string) =>
    rates.get(name.includes('hot keys') ? 'rate-limiter-flexible, hot keys' : 'rate-limiter-flexible, the same')!
  const figures = [...rates].map(([name, values]) => ({
    name,
    batchesPerSecond: median(values),
    ratio: median(values.map((value, round) => value / peer(name)[round]!)),
  }))
  printTable(
    `Batches of 12 limits (6 keys × 2 windows), ${PARALLEL} at a time, medians of ${ROUNDS} alternating rounds`,
    ['store', 'batches/s', 'of rate-limiter-flexible'],
    figures.map(({ name, batchesPerSecond, ratio }) => [name, batchesPerSecond.toFixed(0), ratio.toFixed(1)]),
  )
  return figures
}

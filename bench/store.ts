/** Batches of 12 limits (6 keys × 2 windows) per second on each store, and the same limits with rate-limiter-flexible. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { openStore, parseStoreSpec } from '../src/store/open-store'
import type { Ask, Store, Window } from '../src/store/store'
import { RedisServer } from '../test/support/redis-server'
import { BARE, median, printTable } from './measure'

const ROUNDS = Number(process.env.ROUNDS ?? 3)
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
  const stores: Record<string, Store> = {
    memory: openStore(parseStoreSpec('memory'), BARE),
    lmdb: openStore(parseStoreSpec(`lmdb:${folder}`), BARE),
    redis: openStore(parseStoreSpec(redis.url), BARE),
  }
  for (const store of Object.values(stores)) await store.open()
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
  const runs: Record<string, { run: () => Promise<unknown>; batches: number }> = {
    memory: { run: async () => stores.memory!.judge(batch(SHIPPED, MANY)), batches: 100_000 },
    'lmdb, one process': { run: async () => stores.lmdb!.judge(batch(SHIPPED, MANY)), batches: 100_000 },
    'redis, 5/min 30/h, many keys': { run: async () => stores.redis!.judge(batch(SHIPPED, MANY)), batches: 30_000 },
    'rate-limiter-flexible, the same': { run: () => consume(small, batch(SHIPPED, MANY)), batches: 8000 },
    'redis, large limits, hot keys': { run: async () => stores.redis!.judge(batch(LARGE, FEW)), batches: 30_000 },
    'rate-limiter-flexible, hot keys': { run: () => consume(large, batch(LARGE, FEW)), batches: 8000 },
  }
  const rates = new Map<string, number[]>()
  // Warm-up: code is compiled, connections are open.
  for (const { run, batches } of Object.values(runs)) await measure(run, batches / 10)
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, { run, batches }] of Object.entries(runs)) {
      rates.set(name, [...(rates.get(name) ?? []), await measure(run, batches)])
    }
  }
  for (const store of Object.values(stores)) await store.close()
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

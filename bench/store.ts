/** Batches of 12 limits (6 keys × 2 windows) per second on each store, and the same limits with rate-limiter-flexible. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { openStore, parseStoreSpec } from '../src/store/open-store'
import type { Ask, Store, Window } from '../src/store/store'
import { RedisServer } from '../test/support/redis-server'
import { SILENT, median, printTable } from './measure'

const ROUNDS = Number(process.env.ROUNDS ?? 3)
/** Batches under way at a time on a remote store, as from that many sessions. */
const PARALLEL = 50
const WINDOWS = [
  { limit: 1_000_000, windowMs: 60_000 },
  { limit: 5_000_000, windowMs: 3_600_000 },
]
const SMALL_WINDOWS = [
  { limit: 5, windowMs: 60_000 },
  { limit: 30, windowMs: 3_600_000 },
]

export interface StoreFigure {
  readonly name: string
  readonly batchesPerSecond: number
  readonly ratio: number
}

/** Keys as traffic has them: a few clients, many senders and recipients. */
function batch(windows: readonly Window[]): Ask[] {
  const n = Math.floor(Math.random() * 20_000)
  const keys = [`a|${n % 50}`, `b|${n % 50}`, `c|s${n}`, `d|d${n % 500}`, `e|r${n % 5000}`, `f|h${n % 200}`]
  return keys.map((key) => ({ op: 'window', key, enforced: true, windows, cost: 1 }))
}

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
    memory: openStore(parseStoreSpec('memory'), SILENT),
    lmdb: openStore(parseStoreSpec(`lmdb:${folder}`), SILENT),
    redis: openStore(parseStoreSpec(redis.url), SILENT),
  }
  for (const store of Object.values(stores)) await store.open()
  const client = new Redis(redis.url)
  const flexible = Array.from({ length: 12 }, (_, index) => {
    const { limit, windowMs } = WINDOWS[index % 2]!
    return new RateLimiterRedis({
      storeClient: client,
      keyPrefix: `f${index}`,
      points: limit,
      duration: windowMs / 1000,
    })
  })
  const runs: Record<string, { run: () => Promise<unknown>; batches: number }> = {
    memory: { run: async () => stores.memory!.judge(batch(WINDOWS)), batches: 100_000 },
    'lmdb, one process': { run: async () => stores.lmdb!.judge(batch(WINDOWS)), batches: 100_000 },
    redis: { run: async () => stores.redis!.judge(batch(WINDOWS)), batches: 30_000 },
    'redis, half of it refused': { run: async () => stores.redis!.judge(smallBatch()), batches: 30_000 },
    'rate-limiter-flexible, same redis': {
      run: () => {
        const asks = batch(WINDOWS)
        return Promise.all(flexible.map((limiter, index) => limiter.consume(asks[index >> 1]!.key)))
      },
      batches: 6000,
    },
  }
  const rates = new Map<string, number[]>()
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

function smallBatch(): Ask[] {
  return batch(SMALL_WINDOWS)
}

function report(rates: ReadonlyMap<string, readonly number[]>): StoreFigure[] {
  const base = rates.get('rate-limiter-flexible, same redis')!
  const figures = [...rates].map(([name, values]) => ({
    name,
    batchesPerSecond: median(values),
    ratio: median(values.map((value, round) => value / base[round]!)),
  }))
  printTable(
    `Batches of 12 limits, ${PARALLEL} at a time, medians of ${ROUNDS} alternating rounds`,
    ['store', 'batches/s', 'of rate-limiter-flexible'],
    figures.map(({ name, batchesPerSecond, ratio }) => [name, batchesPerSecond.toFixed(0), ratio.toFixed(1)]),
  )
  return figures
}

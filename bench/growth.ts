/** Does a decision take longer, and what does a key weigh, when the store holds many? */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { openStore, parseStoreSpec } from '../src/store/open-store'
import type { Ask, Store } from '../src/store/store'
import { RedisServer } from '../test/support/redis-server'
import { BARE, median, printTable } from './measure'

const SIZES = [1000, 100_000, 1_000_000]
const WINDOWS = [
  { limit: 5, windowMs: 60_000 * 60 },
  { limit: 30, windowMs: 3_600_000 * 24 },
]
const PROBES = 2000

export interface GrowthFigure {
  readonly store: string
  readonly keys: number
  readonly decisionUs: number
  readonly bytesPerKey: number
}

function ask(key: number): Ask {
  return { op: 'window', key: `sender|user${key}@example.com`, enforced: true, windows: WINDOWS, cost: 1 }
}

export async function benchGrowth(): Promise<GrowthFigure[]> {
  const figures: GrowthFigure[] = []
  for (const keys of SIZES) {
    figures.push(await growMemory(keys), await growLmdb(keys), await growRedis(keys))
  }
  printTable(
    'One key asked (2 windows), by number of live keys',
    ['store', 'keys', 'µs per decision', 'bytes per key'],
    figures.map((f) => [f.store, String(f.keys), f.decisionUs.toFixed(1), f.bytesPerKey.toFixed(0)]),
  )
  return figures
}

async function growMemory(keys: number): Promise<GrowthFigure> {
  const store = openStore(parseStoreSpec('memory'), BARE)
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  await fill(store, keys)
  globalThis.gc?.()
  const bytesPerKey = (process.memoryUsage().heapUsed - before) / keys
  return finish('memory', store, keys, bytesPerKey)
}

async function growLmdb(keys: number): Promise<GrowthFigure> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-bench-'))
  const store = openStore(parseStoreSpec(`lmdb:${folder}`), BARE)
  await fill(store, keys)
  const figure = await finish('lmdb', store, keys, 0)
  const bytes = readdirSync(folder).reduce((sum, file) => sum + statSync(path.join(folder, file)).blocks * 512, 0)
  rmSync(folder, { recursive: true, force: true })
  return { ...figure, bytesPerKey: bytes / keys }
}

async function growRedis(keys: number): Promise<GrowthFigure> {
  const redis = await RedisServer.start()
  const store = openStore(parseStoreSpec(redis.url), BARE)
  const before = await usedMemory(redis.url)
  await fill(store, keys)
  const bytesPerKey = ((await usedMemory(redis.url)) - before) / keys
  const figure = await finish('redis', store, keys, bytesPerKey)
  await redis.stop()
  return figure
}

async function usedMemory(url: string): Promise<number> {
  const client = new Redis(url)
  const info = await client.info('memory')
  client.disconnect()
  return Number(/^used_memory:(\d+)/m.exec(info)![1])
}

async function fill(store: Store, keys: number): Promise<void> {
  await store.open()
  let pending: unknown[] = []
  for (let key = 0; key < keys; key++) {
    pending.push(store.judge([ask(key)]))
    if (pending.length === 1000) {
      await Promise.all(pending)
      pending = []
      // Lets a store that writes behind do so, as it would between messages.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all(pending)
}

/** Median time of one decision on keys chosen at random among the live ones. */
async function finish(name: string, store: Store, keys: number, bytesPerKey: number): Promise<GrowthFigure> {
  const times: number[] = []
  for (let probe = 0; probe < PROBES; probe++) {
    const one = [ask(Math.floor(Math.random() * keys))]
    const started = performance.now()
    await store.judge(one)
    times.push((performance.now() - started) * 1000)
  }
  await store.close()
  return { store: name, keys, decisionUs: median(times), bytesPerKey }
}

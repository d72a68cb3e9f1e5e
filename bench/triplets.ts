/**
 * A million strangers: what a greylisting triplet weighs in each store, how fast they come in, and whether judging slows
 * down. Each store is filled in a process of its own (this file again), so that its memory is told from the others'.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { openStore, parseStoreSpec } from '../src/store/open-store'
import type { Ask, Store } from '../src/store/store'
import { RedisServer } from '../test/support/redis-server'
import { BARE, median, printTable } from './measure'

const STOPS = [1000, 100_000, 1_000_000]
const PROBES = 2000
const AT_A_TIME = 500

interface StoreOrder {
  readonly name: string
  readonly spec: string
  /** Folder of its files, if it has some. */
  readonly folder: string | undefined
}

export interface TripletFigure {
  readonly store: string
  readonly triplets: number
  /** While it was filled up to here from the stop before. */
  readonly perSecond: number
  /** Medians of one decision at a time: on a triplet that is known, on a new one, and the 99th percentile of both. */
  readonly knownUs: number
  readonly newUs: number
  readonly p99Us: number
  /** Resident memory of the process that judges, beyond what it had before the first. */
  readonly residentBytes: number
  /** In files, or in Redis. */
  readonly storedBytes: number
}

/** As the gate makes them: client's network, sender, recipient. About 70 characters. */
function ask(number: number): Ask {
  const network = `198.${18 + ((number >> 16) & 1)}.${(number >> 8) & 255}.0/24`
  const key = `greylist|${network}|sender${number}@domain${number % 5000}.example|user${number % 1000}@local.test`
  return { op: 'triplet', key, enforced: true, delayMs: 300_000, retryMs: 172_800_000, passMs: 3_024_000_000 }
}

export async function benchTriplets(): Promise<TripletFigure[]> {
  const redis = await RedisServer.start()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-bench-'))
  const figures: TripletFigure[] = []
  // The shipped bound is a million counters; probes bring some more.
  const orders: StoreOrder[] = [
    { name: 'memory', spec: 'memory', folder: undefined },
    { name: 'lmdb', spec: `lmdb:${folder}`, folder },
    { name: 'redis', spec: redis.url, folder: undefined },
  ]
  for (const order of orders) figures.push(...(await inItsOwnProcess(order)))
  rmSync(folder, { recursive: true, force: true })
  await redis.stop()
  report(figures)
  return figures
}

async function inItsOwnProcess(order: StoreOrder): Promise<TripletFigure[]> {
  const child = fork(__filename, ['fill'], { execArgv: ['--import', 'tsx', '--expose-gc'], serialization: 'advanced' })
  child.send(order)
  const [figures] = (await once(child, 'message')) as [TripletFigure[]]
  child.kill()
  return figures
}

function report(figures: readonly TripletFigure[]): void {
  const each = (bytes: number, count: number) => (Number.isNaN(bytes) ? '' : (bytes / count).toFixed(0))
  printTable(
    'Greylisting triplets: one decision at a time, and what a triplet weighs',
    ['store', 'triplets', 'new/s', 'known µs', 'new µs', 'p99 µs', 'resident B', 'stored B'],
    figures.map((f) => [
      f.store,
      String(f.triplets),
      f.perSecond.toFixed(0),
      f.knownUs.toFixed(1),
      f.newUs.toFixed(1),
      f.p99Us.toFixed(1),
      each(f.residentBytes, f.triplets),
      each(f.storedBytes, f.triplets),
    ]),
  )
}

async function fill({ name, spec, folder }: StoreOrder): Promise<TripletFigure[]> {
  const client = spec.startsWith('redis') ? new Redis(spec) : undefined
  const stored = async () => (client ? usedMemory(client) : folder === undefined ? NaN : diskBytes(folder))
  const store = openStore(parseStoreSpec(spec), BARE)
  await store.open()
  const residentBefore = resident()
  const storedBefore = folder === undefined ? await stored() : 0
  const figures: TripletFigure[] = []
  let held = 0
  for (const stop of STOPS) {
    const started = performance.now()
    await add(store, held, stop)
    const perSecond = ((stop - held) / (performance.now() - started)) * 1000
    held = stop
    const known = await probe(store, () => Math.floor(Math.random() * stop))
    const fresh = await probe(store, (index) => 10_000_000 + stop * 10 + index)
    figures.push({
      store: name,
      triplets: stop,
      perSecond,
      knownUs: median(known),
      newUs: median(fresh),
      p99Us: [...known, ...fresh].sort((a, b) => a - b)[Math.floor(PROBES * 2 * 0.99)]!,
      residentBytes: resident() - residentBefore,
      storedBytes: (await settled(stored)) - storedBefore,
    })
  }
  await store.close()
  client?.disconnect()
  return figures
}

async function add(store: Store, from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += AT_A_TIME) {
    const end = Math.min(to, start + AT_A_TIME)
    const pending: unknown[] = []
    for (let number = start; number < end; number++) pending.push(store.judge([ask(number)]))
    await Promise.all(pending)
    // Lets a store that writes behind do so, as it would between messages.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Microseconds of each decision. A triplet that waits is refused, known or new: nothing is answered without the store. */
async function probe(store: Store, number: (index: number) => number): Promise<number[]> {
  const times: number[] = []
  for (let index = 0; index < PROBES; index++) {
    const one = [ask(number(index))]
    const started = performance.now()
    await store.judge(one)
    times.push((performance.now() - started) * 1000)
  }
  return times
}

/** Waits until what is written behind has been written: two equal readings, a second and a half apart. */
async function settled(read: () => Promise<number>): Promise<number> {
  for (let last = await read(); ;) {
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const now = await read()
    // Redis has counters of its own that move by some bytes.
    if (Number.isNaN(now) || Math.abs(now - last) < 65_536) return now
    last = now
  }
}

function resident(): number {
  globalThis.gc?.()
  return process.memoryUsage().rss
}

async function usedMemory(client: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))![1])
}

function diskBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, file) => sum + statSync(path.join(folder, file)).blocks * 512, 0)
}

if (process.argv[2] === 'fill' && process.send) {
  process.once('message', (order: StoreOrder) => {
    void fill(order).then((figures) => process.send!(figures))
  })
}

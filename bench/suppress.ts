/**
 * A suppression list of a million: how long it takes to import, how fast it is looked up, and what a process has of it in memory.
 * Each store is worked on in a process of its own (this file again).
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { SuppressionList } from '../src/feedback/suppression-list'
import { openStore, parseStoreSpec } from '../src/store/open-store'
import { RedisServer } from '../test/support/redis-server'
import { BARE, printTable } from './measure'

const ENTRIES = 1_000_000
const LOT = 1000
const LOOKUPS = 50_000
/** Messages that begin at the same time, each with one recipient. */
const AT_A_TIME = 50
const DAY_MS = 86_400_000
const KEPT = { hard_bounce: 90 * DAY_MS, complaint: 3650 * DAY_MS, unsubscribe: 3650 * DAY_MS, manual: 3650 * DAY_MS }

interface StoreOrder {
  readonly name: string
  readonly spec: string
  readonly folder: string | undefined
}

export interface SuppressFigure {
  readonly store: string
  readonly importS: number
  readonly exportS: number
  /** One after another, and many at a time; of one recipient for one tenant, so two keys. */
  readonly oneByOnePerS: number
  readonly togetherPerS: number
  /** Memory of the process beyond what it had before, after all this: its own, and pages of the file that the kernel can take back. */
  readonly ownBytes: number
  readonly mappedBytes: number
  readonly storedBytes: number
}

export async function benchSuppress(): Promise<SuppressFigure[]> {
  const redis = await RedisServer.start()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-bench-'))
  const orders: StoreOrder[] = [
    { name: 'lmdb', spec: `lmdb:${folder}`, folder },
    { name: 'redis', spec: redis.url, folder: undefined },
  ]
  const figures: SuppressFigure[] = []
  for (const order of orders) {
    const child = fork(__filename, ['fill'], { execArgv: ['--import', 'tsx', '--expose-gc'] })
    child.send(order)
    const [figure] = (await once(child, 'message')) as [SuppressFigure]
    child.kill()
    figures.push(figure)
  }
  rmSync(folder, { recursive: true, force: true })
  await redis.stop()
  printTable(
    'A million suppressed addresses',
    ['store', 'import s', 'export s', 'look-ups/s', 'together/s', 'own MB', 'mapped MB', 'stored MB'],
    figures.map((figure) => [
      figure.store,
      figure.importS.toFixed(1),
      figure.exportS.toFixed(1),
      figure.oneByOnePerS.toFixed(0),
      figure.togetherPerS.toFixed(0),
      (figure.ownBytes / 2 ** 20).toFixed(0),
      (figure.mappedBytes / 2 ** 20).toFixed(0),
      (figure.storedBytes / 2 ** 20).toFixed(0),
    ]),
  )
  return figures
}

const addressOf = (number: number) => `user${number}.name@domain${number % 5000}.example`

async function fill({ name, spec, folder }: StoreOrder): Promise<SuppressFigure> {
  const store = openStore(parseStoreSpec(spec), BARE)
  await store.open()
  const list = new SuppressionList({ records: () => store.records, keptFor: () => KEPT })
  const before = resident()
  const importS = await timed(async () => {
    for (let from = 0; from < ENTRIES; from += LOT) {
      const lot = Array.from({ length: LOT }, (_, index) => addressOf(from + index))
      const detail = '550 5.1.1 The email account that you tried to reach does not exist'
      await list.add(lot.map((address) => ({ address, reason: 'hard_bounce', detail, by: 'import' })))
    }
  })
  const count = await store.records.count()
  if (count !== ENTRIES) throw new Error(`${count} are there`)
  const sending = { tenant: 'acme', isBounce: false }
  // Half of them are on the list.
  const one = () => list.find([addressOf(Math.floor(Math.random() * 2 * ENTRIES))], sending)
  const alone = await timed(async () => {
    for (let turn = 0; turn < LOOKUPS; turn++) await one()
  })
  const together = await timed(async () => {
    for (let turn = 0; turn < LOOKUPS; turn += AT_A_TIME)
      await Promise.all(Array.from({ length: AT_A_TIME }, async () => one()))
  })
  let exported = 0
  const exportS = await timed(async () => {
    let cursor: string | undefined
    do {
      const page = await list.page(cursor, LOT)
      exported += page.entries.length
      cursor = page.cursor
    } while (cursor !== undefined)
  })
  if (exported < ENTRIES) throw new Error(`${exported} were exported`)
  const after = resident()
  const figure = {
    store: name,
    importS,
    exportS,
    oneByOnePerS: LOOKUPS / alone,
    togetherPerS: LOOKUPS / together,
    ownBytes: after.own - before.own,
    mappedBytes: after.mapped - before.mapped,
    storedBytes: folder === undefined ? await usedMemory(spec) : diskBytes(folder),
  }
  await store.close()
  return figure
}

/** Seconds. */
async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1000
}

/** Linux: /proc/PID/status, in kB. */
function resident(): { readonly own: number; readonly mapped: number } {
  globalThis.gc?.()
  const status = readFileSync('/proc/self/status', 'utf8')
  const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)![1]) * 1024
  return { own: bytes('RssAnon'), mapped: bytes('RssFile') + bytes('RssShmem') }
}

async function usedMemory(url: string): Promise<number> {
  const client = new Redis(url)
  const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))![1])
  client.disconnect()
  return used
}

function diskBytes(folder: string): number {
  return statSync(path.join(folder, 'data.mdb')).blocks * 512
}

if (process.argv[2] === 'fill' && process.send) {
  process.once('message', (order: StoreOrder) => {
    void fill(order).then((figure) => process.send!(figure))
  })
}

/** Started by `rescue.ts` as a process of its own: `rescue-process <file set aside> <store directory>`. */
import { type Database, type RootDatabase, open } from 'lmdb'
import { isDamage } from './damage'
import { Environment, MAX_TABLES } from './environment'
import { decodeRecord, recordExpiry } from './record'
import type { Rescue } from './rescue'

const LOT = 200

type StateTable = Database<Buffer, string>
type Lot<V> = { readonly key: string; readonly value: V }[]

async function copy(aside: string, path: string): Promise<Rescue> {
  const target = Environment.open(path)
  const counters = await reading(aside, (root) => copyStates(table(root, 'states'), target, target.states, 0))
  const both = await reading(aside, (root) => copyRemembered(root, target, counters.kept))
  // What was counted is of more use to more people, and a damaged file may end this process at any moment.
  const board = await reading(aside, (root) => copyBoard(root, target))
  const all = await reading(aside, (root) => copyRecords(root, target, both.kept))
  return { ...all, complete: all.complete && board && both.complete && counters.complete }
}

/** Opened for each table, since LMDB reads nothing more in a transaction that has met a damaged page. */
async function reading<T>(aside: string, work: (root: RootDatabase<Buffer, string>) => T): Promise<T> {
  const root = open<Buffer, string>({
    ...{ path: aside, noSubdir: true, readOnly: true, maxDbs: MAX_TABLES, encoding: 'binary' },
  })
  try {
    return work(root)
  } finally {
    await root.close()
  }
}

function copyRemembered(root: RootDatabase<Buffer, string>, target: Environment, kept: number): Rescue {
  if (!hasTable(root, 'remembered')) return { kept, complete: true }
  return copyStates(table(root, 'remembered'), target, target.openRemembered(), kept)
}

/** Their texts are their owners' matter. */
function copyRecords(root: RootDatabase<Buffer, string>, target: Environment, kept: number): Rescue {
  if (!hasTable(root, 'records')) return { kept, complete: true }
  return copyStates(table(root, 'records'), target, target.openRecords(), kept, () => true)
}

function table(root: RootDatabase<Buffer, string>, name: string): StateTable {
  return root.openDB<Buffer, string>({ name, encoding: 'binary' })
}

function copyStates(
  old: StateTable,
  target: Environment,
  table: StateTable,
  keptBefore: number,
  isGood = (value: Buffer) => decodeRecord(value) !== undefined,
): Rescue {
  const now = Date.now()
  let kept = keptBefore
  for (const lot of lotsOf(old)) {
    if (lot === 'damaged') return { kept, complete: false }
    const good = lot.filter(({ value }) => recordExpiry(value) > now && isGood(value))
    target.write(good.length, () => {
      for (const { key, value } of good) table.putSync(key, value)
    })
    kept += good.length
    process.send?.({ kept, complete: false } satisfies Rescue)
  }
  return { kept, complete: true }
}

/** The names of the tables are the keys of the root; a file of an earlier version lacks some. */
function hasTable(root: RootDatabase<Buffer, string>, name: string): boolean {
  return [...root.getKeys()].includes(name)
}

/** Returns whether it could be read to its end. */
function copyBoard(root: RootDatabase<Buffer, string>, target: Environment): boolean {
  if (!hasTable(root, 'board')) return true
  const old = root.openDB<unknown, string>({ name: 'board', encoding: 'json' })
  const { entries } = target.openBoard()
  for (const lot of lotsOf(old)) {
    if (lot === 'damaged') return false
    const good = lot.filter(({ value }) => isEntry(value))
    // A long text fills pages of its own.
    target.write(2 * good.length, () => {
      for (const { key, value } of good) entries.putSync(key, value as [number, string])
    })
  }
  return true
}

function isEntry(value: unknown): value is [number, string] {
  return Array.isArray(value) && Number.isFinite(value[0]) && typeof value[1] === 'string'
}

/** Everything in a table, in lots, up to where it is damaged. */
function* lotsOf<V>(table: Database<V, string>): Generator<Lot<V> | 'damaged'> {
  let last: string | undefined
  for (;;) {
    const lot = readLot(table, last)
    // Keys of a sound table rise; a damaged one could lead in a circle.
    if (lot === 'damaged' || (last !== undefined && lot.length > 0 && lot.at(-1)!.key <= last)) {
      yield 'damaged'
      return
    }
    if (lot.length === 0) return
    last = lot.at(-1)!.key
    yield lot
  }
}

function readLot<V>(table: Database<V, string>, last: string | undefined): Lot<V> | 'damaged' {
  const start = last === undefined ? {} : { start: last, exclusiveStart: true }
  try {
    return [...table.getRange({ ...start, limit: LOT })].map(({ key, value }) => ({ key, value }))
  } catch (error) {
    if (isDamage(error)) return 'damaged'
    throw error
  }
}

void copy(process.argv[2]!, process.argv[3]!).then((rescue) => process.send?.(rescue, () => process.exit(0)))

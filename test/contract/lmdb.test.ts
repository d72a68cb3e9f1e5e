import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LmdbStore } from '../../src/store/lmdb/lmdb-store'
import type { Clock, Store } from '../../src/store/store'
import { MOST_ON_BOARD, MOST_RECORDS } from './bench'
import { describeStoreContract, type StoreHarness } from './store'

/** Stores in a fresh directory each, which goes when they are closed. */
function lmdbHarness(clock?: Clock) {
  let path = ''
  const openAt = async (): Promise<LmdbStore> => {
    const store = new LmdbStore({
      path,
      flushMs: 50,
      tickMs: 50,
      maxBoardEntries: MOST_ON_BOARD,
      maxRecords: MOST_RECORDS,
      ...(clock && { clock }),
    })
    await store.open()
    return store
  }
  return {
    open: () => {
      path = mkdtempSync(join(tmpdir(), 'sluice-lmdb-'))
      return openAt()
    },
    again: openAt,
    processSpec: () => `lmdb:${path}`,
    cleanUp: async () => rmSync(path, { recursive: true, force: true }),
  }
}

let now = 1_700_000_000_000
const advance = (ms: number): void => void (now += ms)
const virtual = lmdbHarness(() => now)
// Another process has another clock.
const alone: StoreHarness = { now: () => now, open: virtual.open, again: virtual.again, cleanUp: virtual.cleanUp }

describeStoreContract('lmdb, alone', { ...alone, advance })

let neighbour: Store | undefined
describeStoreContract('lmdb, shared by two handles', {
  ...alone,
  advance,
  open: async () => {
    const store = await virtual.open()
    neighbour = await virtual.again()
    return store
  },
  cleanUp: async () => {
    await neighbour?.close()
    await virtual.cleanUp()
  },
})

describeStoreContract('lmdb on real time', lmdbHarness())

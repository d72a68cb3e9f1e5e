import { MemoryStore } from '../../src/store/memory/memory-store'
import { MOST_ON_BOARD, MOST_RECORDS } from './bench'
import { describeStoreContract } from './store'

let now = 1_700_000_000_000

describeStoreContract('memory', {
  open: async () => {
    const store = new MemoryStore({ clock: () => now, maxBoardEntries: MOST_ON_BOARD, maxRecords: MOST_RECORDS })
    await store.open()
    return store
  },
  cleanUp: async () => {},
  advance: (ms) => (now += ms),
  now: () => now,
})

describeStoreContract('memory on real time', {
  open: async () => {
    const store = new MemoryStore({ maxBoardEntries: MOST_ON_BOARD, maxRecords: MOST_RECORDS })
    await store.open()
    return store
  },
  cleanUp: async () => {},
})

import { MemoryStore } from '../../src/store/memory/memory-store'
import { describeStoreContract } from './store'

let now = 1_700_000_000_000

describeStoreContract('memory', {
  open: async () => {
    const store = new MemoryStore({ clock: () => now })
    await store.open()
    return store
  },
  cleanUp: async () => {},
  advance: (ms) => (now += ms),
})

describeStoreContract('memory on real time', {
  open: async () => {
    const store = new MemoryStore()
    await store.open()
    return store
  },
  cleanUp: async () => {},
})

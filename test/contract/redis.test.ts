import { Redis } from 'ioredis'
import { RedisStore } from '../../src/store/redis/redis-store'
import type { Store } from '../../src/store/store'
import { RedisServer } from '../support/redis-server'
import { MOST_ON_BOARD, MOST_RECORDS } from './bench'
import { describeStoreContract } from './store'

describe('RedisStore', () => {
  let server: RedisServer
  let admin: Redis
  let opened: Store[] = []

  before(async () => {
    server = await RedisServer.start()
    admin = new Redis(server.url)
  })

  after(async () => {
    admin.disconnect()
    await server.stop()
  })

  async function again(): Promise<Store> {
    const store = new RedisStore({
      url: server.url,
      commandTimeoutMs: 5000,
      maxBoardEntries: MOST_ON_BOARD,
      maxRecords: MOST_RECORDS,
    })
    opened.push(store)
    await store.open()
    return store
  }

  describeStoreContract('redis', {
    async open() {
      await admin.flushall()
      return again()
    },
    again,
    processSpec: () => server.url,
    async cleanUp() {
      await Promise.all(opened.map((store) => store.close()))
      opened = []
    },
  })
})

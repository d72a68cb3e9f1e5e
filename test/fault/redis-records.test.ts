import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import type { StoredRecord } from '../../src/store/store'
import { OutageBench, askOf } from '../support/outage-bench'
import { RedisServer } from '../support/redis-server'
import { TcpProxy } from '../support/tcp-proxy'

const recordOf = (key: string, forMs = 600_000): StoredRecord => {
  return { key, text: `why for ${forMs}`, expiresAt: Date.now() + forMs }
}

describe('the records of mail servers whose Redis is lost', () => {
  let server: RedisServer
  const cleanUps: (() => Promise<void> | void)[] = []

  beforeEach(async () => {
    server = await RedisServer.start()
    cleanUps.push(() => server.stop())
  })
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  })

  async function openBench(url = server.url): Promise<OutageBench> {
    const bench = new OutageBench(url)
    cleanUps.push(() => bench.close())
    await bench.open()
    return bench
  }

  it('hold nobody up, and what is learned meanwhile reaches the others when it is back', async () => {
    const proxy = await TcpProxy.start(server.port)
    cleanUps.push(() => proxy.close())
    const [one, two] = [await openBench(`redis://127.0.0.1:${proxy.port}`), await openBench()]
    const [before, during] = [recordOf('before'), recordOf('during')]
    await one.store.records.put([before])
    assert.deepEqual(await two.store.records.get(['before']), { records: [before], degraded: false })
    proxy.blackHole = true
    for (let look = 0; look < 10; look++) {
      const started = performance.now()
      const read = await one.store.records.get(['before'])
      assert.deepEqual(read, { records: [undefined], degraded: true })
      const tookMs = performance.now() - started
      assert.ok(tookMs < 150, `look-up ${look} took ${tookMs} ms`)
    }
    assert.deepEqual(one.states, ['lost'])
    await one.store.records.put([during])
    assert.equal(await one.store.records.remove(['before']), 0)
    assert.deepEqual((await one.store.records.get(['during'])).records, [during])
    assert.deepEqual((await two.store.records.get(['before', 'during'])).records, [before, undefined])
    proxy.blackHole = false
    await one.changed(2)
    assert.deepEqual((await two.store.records.get(['before', 'during'])).records, [undefined, during])
  })

  it('are not cut short by what is learned meanwhile, when nobody can see what holds already', async () => {
    const proxy = await TcpProxy.start(server.port)
    cleanUps.push(() => proxy.close())
    const [one, two] = [await openBench(`redis://127.0.0.1:${proxy.port}`), await openBench()]
    const [long, short, longer] = [recordOf('long', 900_000), recordOf('short', 300_000), recordOf('short', 900_000)]
    await two.store.records.put([long, short])
    proxy.blackHole = true
    while (one.states.length === 0) assert.equal((await one.store.records.get(['long'])).degraded, true)
    await one.store.records.put([recordOf('long', 300_000), longer])
    proxy.blackHole = false
    await one.changed(2)
    assert.deepEqual((await two.store.records.get(['long', 'short'])).records, [long, longer])
  })

  it('are kept for a Redis that refuses to be written to', async () => {
    const bench = await openBench()
    const admin = new Redis(server.url)
    cleanUps.push(() => admin.disconnect())
    await admin.replicaof('127.0.0.1', 1)
    await bench.judgeUntilLost(askOf('k', 100))
    const record = recordOf('a')
    await bench.store.records.put([record])
    await admin.replicaof('NO', 'ONE')
    await bench.changed(2)
    assert.equal(await admin.hlen('{sluice}:records-1'), 1)
  })

  it('start anew where something else has their name', async () => {
    const bench = await openBench()
    const admin = new Redis(server.url)
    cleanUps.push(() => admin.disconnect())
    await admin.set('{sluice}:records-1', 'x')
    const record = recordOf('a')
    assert.equal((await bench.store.records.get(['a'])).degraded, true)
    await bench.store.records.put([record])
    assert.deepEqual(await bench.store.records.get(['a']), { records: [record], degraded: false })
    await admin.hset('{sluice}:records-1', 'odd', 'no record')
    assert.deepEqual((await bench.store.records.get(['odd', 'a'])).records, [undefined, record])
    assert.deepEqual((await bench.store.records.scan('', undefined, 9)).records, [record])
    assert.equal(await admin.pttl('{sluice}:records-1'), -1, 'a policy for volatile keys would take all of them')
  })
})

import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import type { BoardEntry } from '../../src/store/store'
import { BoardEar } from '../support/board-ear'
import { OutageBench, askOf } from '../support/outage-bench'
import { RedisServer } from '../support/redis-server'
import { TcpProxy } from '../support/tcp-proxy'

const entryOf = (key: string): BoardEntry => ({ key, text: 'why', expiresAt: Date.now() + 600_000 })

describe('the board of mail servers whose Redis is lost', () => {
  let server: RedisServer
  const cleanUps: (() => Promise<void> | void)[] = []

  beforeEach(async () => {
    server = await RedisServer.start()
    cleanUps.push(() => server.stop())
  })

  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  })

  async function openBench(url = server.url): Promise<{ bench: OutageBench; ear: BoardEar }> {
    const bench = new OutageBench(url)
    cleanUps.push(() => bench.close())
    const ear = new BoardEar(bench.store)
    await bench.open()
    return { bench, ear }
  }

  function connect(): Redis {
    const admin = new Redis(server.url)
    cleanUps.push(() => admin.disconnect())
    return admin
  }

  it('has what was posted meanwhile in the process that posted at once, and in the others after the return', async () => {
    const [one, two] = [await openBench(), await openBench()]
    const [before, during] = [entryOf('before'), entryOf('during')]
    await one.bench.store.post([before])
    await two.ear.posted(before)
    const admin = connect()
    await admin.replicaof('127.0.0.1', 1)
    await one.bench.judgeUntilLost(askOf('k', 100))
    await one.bench.store.post([during])
    assert.equal(await one.bench.store.withdraw(['before']), 1)
    assert.deepEqual(one.ear.known, [during])
    assert.deepEqual(await one.bench.store.readBoard('', 9), [during])
    assert.deepEqual(two.ear.known, [before])
    await admin.replicaof('NO', 'ONE')
    await two.ear.posted(during)
    await two.ear.withdrawn('before')
    assert.deepEqual(two.ear.known, [during])
    await one.bench.changed(2)
    assert.deepEqual(one.ear.known, [during])
    assert.deepEqual(await one.bench.store.readBoard('', 9), [during])
  })

  it('has what stood before and what was posted meanwhile also after Redis has forgotten everything', async () => {
    const [one, two] = [await openBench(), await openBench()]
    const before = entryOf('before')
    await one.bench.store.post([before])
    await two.ear.posted(before)
    await server.kill()
    const during = entryOf('during')
    await one.bench.judgeUntilLost(askOf('k', 100))
    await one.bench.store.post([during])
    const heardBefore = one.ear.changes.length
    await server.start()
    await two.ear.posted(during)
    await one.ear.heard((change) => one.ear.changes.indexOf(change) >= heardBefore && change.kind === 'all')
    for (const change of one.ear.changes.slice(heardBefore)) {
      if (change.kind === 'all') assert.deepEqual(byKey(change.entries), [before, during])
    }
    await two.ear.heard(() => two.ear.known.length === 2)
    assert.deepEqual([one.ear.known, two.ear.known].map(byKey), [
      [before, during],
      [before, during],
    ])
  })

  it('makes good what a process has missed while its connections were broken', async () => {
    const proxy = await TcpProxy.start(server.port)
    cleanUps.push(() => proxy.close())
    const one = await openBench()
    const two = await openBench(`redis://127.0.0.1:${proxy.port}`)
    const [before, missed] = [entryOf('before'), entryOf('missed')]
    await one.bench.store.post([before])
    await two.ear.posted(before)
    proxy.reset()
    await one.bench.store.post([missed])
    await one.bench.store.withdraw(['before'])
    await two.ear.heard(() => two.ear.known.some(({ key }) => key === 'missed'))
    assert.deepEqual(two.ear.known, [missed])
  })

  it('opens without Redis, acts by itself, and knows all once there is one', async () => {
    const other = await openBench()
    const theirs = entryOf('theirs')
    await other.bench.store.post([theirs])
    const proxy = await TcpProxy.start(server.port)
    cleanUps.push(() => proxy.close())
    proxy.blackHole = true
    const { bench, ear } = await openBench(`redis://127.0.0.1:${proxy.port}`)
    const ours = entryOf('ours')
    await bench.store.post([ours])
    assert.deepEqual(ear.known, [ours])
    proxy.blackHole = false
    await other.ear.posted(ours)
    await ear.heard(() => ear.known.length === 2)
    assert.deepEqual(ear.known, [ours, theirs])
  })
})

function byKey(entries: readonly BoardEntry[]): BoardEntry[] {
  return [...entries].sort((a, b) => a.key.localeCompare(b.key))
}

import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { RedisStore } from '../../src/store/redis/redis-store'
import type { Ask, LeaseAsk } from '../../src/store/store'
import { BoardEar } from '../support/board-ear'
import { RedisServer, freePort } from '../support/redis-server'

const ask = (key: string): Ask => ({
  op: 'window',
  key,
  enforced: true,
  cost: 1,
  windows: [
    { limit: 2, windowMs: 60_000 },
    { limit: 5, windowMs: 3_600_000 },
  ],
})
const lease = (key: string, id: string): LeaseAsk => ({ op: 'lease', key, enforced: true, limit: 1, id, ttlMs: 60_000 })

/** What only Redis has: deployments, several processes, a server that forgets. */
describe('RedisStore on a server', () => {
  let server: RedisServer
  let admin: Redis
  const stores: RedisStore[] = []

  before(async () => {
    server = await RedisServer.start()
    admin = new Redis(server.url)
  })

  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()))
    await admin.flushall()
  })

  after(async () => {
    admin.disconnect()
    await server.stop()
  })

  async function openStore(url = server.url, prefix = 'sluice'): Promise<RedisStore> {
    const store = new RedisStore({ url, prefix })
    stores.push(store)
    await store.open()
    return store
  }

  it('writes one key in its name space, which expires with the window', async () => {
    const store = await openStore(server.url, 'mail')
    await store.judge([ask('client:192.0.2.1')])
    assert.deepEqual(await admin.keys('*'), ['{mail}:1:client:192.0.2.1'])
    const ttl = await admin.pttl('{mail}:1:client:192.0.2.1')
    assert.ok(ttl > 3_590_000 && ttl <= 3_600_000, String(ttl))
  })

  it('goes on when the server has forgotten its scripts', async () => {
    const store = await openStore()
    await store.judge([ask('k')])
    await admin.script('FLUSH')
    const verdict = await store.judge([ask('k')])
    assert.equal(verdict.answers[0]!.count, 1)
  })

  it('counts with a key of another type as with none', async () => {
    const store = await openStore()
    await admin.lpush('{sluice}:1:a', 'x')
    await admin.set('{sluice}:1:b', 'not ours')
    await admin.lpush('{sluice}:1:c', 'x')
    const verdict = await store.judge([ask('a'), ask('b'), lease('c', 'session-0001')])
    assert.deepEqual(
      verdict.answers.map((answer) => answer.ok),
      [true, true, true],
    )
    assert.equal((await store.judge([ask('a')])).answers[0]!.count, 1)
    await admin.lpush('{sluice}:1:d', 'x')
    await store.release([{ key: 'd', id: 'session-0001' }])
    await store.renew([{ key: 'd', id: 'session-0001' }], 1000)
    assert.equal((await store.judge([lease('d', 'session-0002')])).committed, false)
  })

  it('releases and renews more leases than fit one call', async () => {
    const store = await openStore()
    const refs = Array.from({ length: 1200 }, (_, index) => ({
      key: `k${index}`,
      id: `id-${String(index).padStart(9, '0')}`,
    }))
    await store.renew(refs, 60_000)
    assert.equal((await store.list('', 2000)).length, 1200)
    await store.release(refs)
    assert.deepEqual(await store.list('', 2000), [])
  })

  it('lists no more than asked for, and takes a prefix by the letter', async () => {
    const store = await openStore()
    await store.judge([ask('a*1'), ask('ab1'), ask('a[b]'), ask('b')])
    assert.equal((await store.list('', 2)).length, 2)
    assert.deepEqual(
      (await store.list('a*', 9)).map(({ key }) => key),
      ['a*1'],
    )
    assert.deepEqual(
      (await store.list('a[b', 9)).map(({ key, op }) => ({ key, op })),
      [{ key: 'a[b]', op: 'window' }],
    )
  })

  it('tells every process of a reset, its own once', async () => {
    const [one, two] = [await openStore(), await openStore()]
    const heard: string[] = []
    one.onReset((key) => heard.push(`one ${key}`))
    const arrived = new Promise<void>((resolve) => two.onReset((key) => (heard.push(`two ${key}`), resolve())))
    await one.judge([ask('client:a b')])
    assert.equal(await one.reset(['client:a b']), 1)
    await arrived
    assert.deepEqual(heard, ['one client:a b', 'two client:a b'])
  })

  it('hears resets again after its connections broke', async () => {
    const [one, two] = [await openStore(), await openStore()]
    const watcher = new Redis(server.url)
    const monitor = await watcher.monitor()
    const subscribed = new Promise<void>((resolve) => {
      let missing = 2
      monitor.on('monitor', (_time: string, args: string[]) => {
        if (args[0]?.toLowerCase() === 'subscribe' && --missing === 0) resolve()
      })
    })
    await admin.client('KILL', 'TYPE', 'pubsub')
    await subscribed
    const heard = new Promise<string>((resolve) => two.onReset(resolve))
    await one.reset(['k'])
    assert.equal(await heard, 'k')
    monitor.disconnect()
    watcher.disconnect()
  })

  it('tells how the server is', async () => {
    const store = await openStore()
    await store.judge([ask('a'), ask('b')])
    const ping = await store.ping()
    assert.equal(ping.kind, 'redis')
    assert.equal(ping.keys, 2)
    assert.ok(ping.latencyMs > 0 && ping.latencyMs < 1000)
    assert.ok(Math.abs(ping.clockSkewMs) < 1000, String(ping.clockSkewMs))
    assert.match(String(ping.detail['version']), /^\d+\.\d+/)
    assert.equal(ping.detail['maxMemoryPolicy'], 'noeviction')
    assert.ok(Number(ping.detail['usedMemoryBytes']) > 0)
  })

  it('counts the processes that beat, and forgets one that says good-bye', async () => {
    const [one, two] = [await openStore(), await openStore()]
    assert.equal(await one.beat(), 1)
    assert.equal(await two.beat(), 2)
    await two.close()
    assert.equal(await one.beat(), 1)
    await admin.set('{sluice}:nodes', 'of another type')
    assert.equal(await one.beat(), 1)
  })

  it('rejects with STORE_CLOSED once closed', async () => {
    const store = await openStore()
    await store.close()
    await store.close()
    await assert.rejects(store.judge([ask('k')]), { code: 'STORE_CLOSED' })
    await assert.rejects(store.reset(['k']), { code: 'STORE_CLOSED' })
  })

  it('refuses a prefix that would break the hash tag', () => {
    assert.throws(() => new RedisStore({ url: server.url, prefix: 'a}b' }), { code: 'STORE_UNUSABLE' })
  })
})

describe('RedisStore on other deployments', () => {
  async function proves(url: string): Promise<void> {
    const [one, two] = [new RedisStore({ url }), new RedisStore({ url })]
    await Promise.all([one.open(), two.open()])
    try {
      await one.judge([ask('a'), ask('b'), lease('c', 'session-0001')])
      const verdict = await two.judge([ask('a'), ask('b'), lease('c', 'session-0002')])
      assert.deepEqual([verdict.committed, verdict.answers.map((answer) => answer.count)], [false, [1, 1, 1]])
      assert.equal((await two.list('', 9)).length, 3)
      assert.ok((await two.ping()).keys >= 3)
      const heard = new Promise<string>((resolve) => two.onReset(resolve))
      assert.equal(await one.reset(['a']), 1)
      assert.equal(await heard, 'a')
      const ear = new BoardEar(two)
      await ear.opened()
      const entry = { key: 'ban:192.0.2.1', text: 'why', expiresAt: Date.now() + 60_000 }
      await one.post([entry])
      await ear.posted(entry)
      assert.deepEqual(await two.readBoard('ban:', 9), [entry])
    } finally {
      await Promise.all([one.close(), two.close()])
    }
  }

  const servers: RedisServer[] = []

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()))
  })

  async function start(settings: string[] = []): Promise<RedisServer> {
    const server = await RedisServer.start({ settings })
    servers.push(server)
    return server
  }

  it('works with a user and a password', async () => {
    const { port } = await start(['--user', 'mail', 'on', '>p@ss', '~*', '&*', '+@all'])
    await proves(`redis://mail:p%40ss@127.0.0.1:${port}/3`)
  })

  it('works for a user who may do no more than the advice for NOPERM says', async () => {
    const rights = '~{sluice}:* &{sluice}:* +@read +@write +@scripting +@pubsub +@connection +info +time'
    const { port } = await start(['--user', 'mail', 'on', '>secret', ...rights.split(' ')])
    await proves(`redis://mail:secret@127.0.0.1:${port}`)
  })

  it('works over a socket', async () => {
    const path = join(tmpdir(), `sluice-${process.pid}.sock`)
    await start(['--unixsocket', path])
    await proves(`unix:${path}?db=1`)
  })

  it('works on a cluster', async () => {
    const server = await start(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'])
    const admin = new Redis(server.url)
    await admin.cluster('ADDSLOTSRANGE', 0, 16383)
    admin.disconnect()
    await server.logged(/Cluster state changed: ok/)
    await proves(`redis+cluster://127.0.0.1:${server.port}`)
  })

  it('finds the primary through sentinels', async () => {
    const primary = await start()
    const sentinel = await RedisServer.startSentinel(await freePort(), 'mail', primary.port)
    servers.push(sentinel)
    await proves(`redis+sentinel://127.0.0.1:${sentinel.port}/mail`)
  })
})

import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { MemoryStore } from '../../src/store/memory/memory-store'
import { FailoverStore } from '../../src/store/redis/failover-store'
import { RedisStore, type RedisStoreOptions } from '../../src/store/redis/redis-store'
import type { BoardEntry } from '../../src/store/store'
import { BoardEar, sorted } from '../support/board-ear'
import { RedisServer } from '../support/redis-server'

const ENTRIES = '{sluice}:board-1:entries'
const EXPIRIES = '{sluice}:board-1:expiries'
const NUMBER = '{sluice}:board-1:number'

const entryOf = (key: string, inMs = 60_000): BoardEntry => ({ key, text: 'why', expiresAt: Date.now() + inMs })

/** What only the board in Redis has: messages that are missed, keys that are not what they should be. */
describe('the board in Redis', () => {
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

  async function openStore(options: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
    const store = new RedisStore({ url: server.url, ...options })
    stores.push(store)
    await store.open()
    return store
  }

  async function listeningStore(
    options: Partial<RedisStoreOptions> = {},
  ): Promise<{ store: RedisStore; ear: BoardEar }> {
    const store = new RedisStore({ url: server.url, ...options })
    stores.push(store)
    const ear = new BoardEar(store)
    await store.open()
    return { store, ear }
  }

  it('is told by the time the store is open, and a change by the time it is posted', async () => {
    const store = await openStore()
    const [a, b] = [entryOf('a'), entryOf('b')]
    await store.post([a])
    const { store: other, ear } = await listeningStore()
    assert.deepEqual(ear.known, [a])
    await other.post([b])
    assert.deepEqual(ear.changes, [
      { kind: 'all', entries: [a] },
      { kind: 'posted', entry: b },
    ])
  })

  it('loses no change that is made while it is read', async () => {
    const store = await openStore()
    const first = Array.from({ length: 5000 }, (_, index) => entryOf(`first:${index}`))
    await store.post(first)
    const more = Array.from({ length: 300 }, (_, index) => entryOf(`more:${index}`))
    const [opened] = await Promise.all([
      Promise.all(Array.from({ length: 4 }, () => listeningStore())),
      store.post(more),
      store.withdraw(first.slice(0, 400).map(({ key }) => key)),
    ])
    const end = entryOf('end')
    await store.post([end])
    const expected = sorted([...first.slice(400), ...more, end])
    for (const { ear } of opened) {
      await ear.heard(() => ear.known.some(({ key }) => key === 'end'))
      assert.deepEqual(ear.known, expected)
    }
  })

  it('is read anew after the connection broke', async () => {
    const store = await openStore()
    const { ear } = await listeningStore()
    const entry = entryOf('a')
    await admin.client('KILL', 'TYPE', 'pubsub')
    await store.post([entry])
    await ear.heard(() => ear.known.length === 1)
    assert.deepEqual(ear.known, [entry])
  })

  it('is read anew when the number of a change was missed', async () => {
    const store = await openStore()
    const { ear } = await listeningStore()
    const [missed, heard] = [entryOf('missed'), entryOf('heard')]
    await postUnheard(missed)
    await store.post([heard])
    await ear.heard(() => ear.known.length === 2)
    assert.deepEqual(ear.known, [heard, missed])
  })

  it('is read anew when a change was missed and no other follows', async () => {
    const { store, ear } = await listeningStore()
    const missed = entryOf('missed')
    await postUnheard(missed)
    await store.beat()
    await store.ping()
    assert.deepEqual(ear.known, [], 'it may still be on its way')
    await store.beat()
    await ear.heard(() => ear.known.length === 1)
    assert.deepEqual(ear.known, [missed])
  })

  it('expires with its last entry', async () => {
    const store = await openStore()
    await store.post([entryOf('a', 30_000), entryOf('b', 90_000)])
    for (const key of [ENTRIES, EXPIRIES]) {
      const ttl = await admin.pttl(key)
      assert.ok(ttl > 80_000 && ttl <= 90_000, String(ttl))
    }
    await store.withdraw(['b'])
    assert.ok((await admin.pttl(ENTRIES)) <= 30_000)
    assert.ok((await admin.pttl(NUMBER)) > 0)
  })

  it('keeps nothing that has expired', async () => {
    const store = await openStore()
    const brief = entryOf('brief', 100)
    await store.post([brief, entryOf('a')])
    while (Date.now() <= brief.expiresAt + 1) await store.ping()
    await store.post([entryOf('b')])
    assert.deepEqual((await admin.hkeys(ENTRIES)).sort(), ['a', 'b'])
    assert.equal(await admin.zcard(EXPIRIES), 2)
  })

  it('starts anew when one of its keys is of another type or is gone', async () => {
    const store = await openStore()
    const entry = entryOf('a')
    const damages = [
      () => admin.set(ENTRIES, 'x'),
      () => admin.set(EXPIRIES, 'x'),
      () => admin.del(EXPIRIES),
      () => admin.del(ENTRIES),
      () => admin.del(NUMBER).then(() => admin.lpush(NUMBER, 'x')),
    ]
    for (const damage of damages) {
      await store.post([entryOf('before')])
      await damage()
      await store.post([entry])
      assert.ok((await store.readBoard('', 9)).some(({ key }) => key === 'a'))
      assert.equal(await admin.hlen(ENTRIES), await admin.zcard(EXPIRIES))
    }
  })

  it('is put up again by the processes that know it when the server has lost it', async () => {
    const notices: string[] = []
    const guarded = Array.from({ length: 2 }, () => {
      const store = new FailoverStore({
        shared: new RedisStore({ url: server.url }),
        local: new MemoryStore(),
        beatEveryMs: 100,
        onChange: () => undefined,
        onNotice: (notice) => notices.push(notice),
      })
      return { store, ear: new BoardEar(store) }
    })
    try {
      for (const { store } of guarded) await store.open()
      const [kept, unbanned] = [entryOf('kept'), entryOf('unbanned')]
      await guarded[0]!.store.post([kept, unbanned])
      await guarded[1]!.store.withdraw(['unbanned'])
      await Promise.all(guarded.map(({ ear }) => ear.withdrawn('unbanned')))
      await admin.flushall()
      const operator = await openStore()
      while ((await operator.readBoard('', 9)).length === 0) await operator.ping()
      assert.deepEqual(await operator.readBoard('', 9), [kept])
      for (const { ear } of guarded) assert.deepEqual(ear.known, [kept])
      assert.match(notices.join('\n'), /has lost what was posted on its board: 1 entry/)
    } finally {
      await Promise.all(guarded.map(({ store }) => store.close()))
    }
  })

  it('is heeded by a process that may not subscribe, as far as that can know', async () => {
    await admin.acl('SETUSER', 'deaf', 'on', '>secret', '~*', '&*', '+@all', '-subscribe')
    const notices: string[] = []
    const url = `redis://deaf:secret@127.0.0.1:${server.port}`
    const { store, ear } = await listeningStore({ url, onNotice: (notice) => notices.push(notice) })
    const entry = entryOf('a')
    await store.post([entry])
    await store.withdraw(['a'])
    assert.deepEqual(ear.changes, [
      { kind: 'all', entries: [] },
      { kind: 'posted', entry },
      { kind: 'withdrawn', key: 'a' },
    ])
    assert.match(notices.join(), /What other processes reset and post is not heard\. .*NOPERM/)
  })

  it('takes no harm from strange messages', async () => {
    const { store, ear } = await listeningStore()
    for (const strange of ['', 'x', '1 n [1]', '99999999 n {']) await admin.publish('{sluice}:board-1:changes', strange)
    const entry = entryOf('a')
    await store.post([entry])
    assert.deepEqual(ear.changes.slice(1), [{ kind: 'posted', entry }])
  })

  /** As if the message about it had been lost on the way. */
  async function postUnheard({ key, text, expiresAt }: BoardEntry): Promise<void> {
    await admin.hset(ENTRIES, key, `${expiresAt} ${text}`)
    await admin.zadd(EXPIRIES, expiresAt, key)
    await admin.incr(NUMBER)
  }
})

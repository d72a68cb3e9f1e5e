import assert from 'node:assert/strict'
import { ExhaustedCache } from '../../../src/store/exhausted-cache'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import type { Ask, BoardChange, Verdict } from '../../../src/store/store'

describe('ExhaustedCache', () => {
  let now: number
  let store: ExhaustedCache
  let inner: MemoryStore
  beforeEach(() => {
    now = 1_000_000
    inner = new MemoryStore({ clock: () => now })
    store = new ExhaustedCache(inner, () => now)
  })

  const ask = (key: string, limit = 2, enforced = true): Ask => ({
    op: 'window',
    key,
    enforced,
    windows: [{ limit, windowMs: 1000 }],
    cost: 1,
  })
  const judge = (...asks: Ask[]) => store.judge(asks) as Verdict

  it('costs an exhausted key no trip until its time comes, and says the time that is left', () => {
    judge(ask('a'))
    now += 100
    judge(ask('a'))
    assert.equal(judge(ask('a')).answers[0]!.retryAfterMs, 900)
    const { trips } = store
    for (let count = 0; count < 1000; count++) {
      const verdict = judge(ask('b', 5), ask('a'))
      assert.equal(verdict.committed, false)
      assert.equal(verdict.answers[1]!.retryAfterMs, 900)
    }
    assert.equal(store.trips, trips)
    assert.equal(store.hits, 1000)
    now += 899
    assert.equal(judge(ask('a')).committed, false)
    now += 1
    assert.equal(judge(ask('a')).committed, true)
    for (let count = 0; count < 5; count++) assert.equal(judge(ask('b', 5)).committed, true, 'b was never charged')
  })

  it('asks on behalf of shadow rules always, since they hold nobody up', () => {
    for (let count = 0; count < 3; count++) judge(ask('a', 2, false))
    const { trips } = store
    assert.equal(judge(ask('a', 2, false)).committed, true)
    assert.equal(store.trips, trips + 1)
  })

  it('asks again for who has a wider limit by now, and not for who has a narrower one', () => {
    const { trips } = store
    for (let count = 0; count < 3; count++) judge(ask('a', 2))
    assert.equal(judge(ask('a', 1)).committed, false)
    assert.equal(judge(ask('a', 2)).committed, false)
    assert.equal(store.trips, trips + 3)
    assert.equal(judge(ask('a', 3)).committed, true)
    const rate = (burst: number): Ask => ({ op: 'rate', key: 'r', enforced: true, intervalMs: 1000, burst, cost: 1 })
    for (let count = 0; count < 2; count++) judge(rate(1))
    assert.deepEqual([judge(rate(1)).committed, judge(rate(2)).committed], [false, true])
    const lease = (id: string, limit: number): Ask => ({
      ...{ op: 'lease', key: 'l', enforced: true, limit, id, ttlMs: 60_000 },
    })
    for (const id of ['aaaaaaaaaaaa', 'bbbbbbbbbbbb']) judge(lease(id, 1))
    assert.deepEqual(
      [judge(lease('bbbbbbbbbbbb', 1)).committed, judge(lease('bbbbbbbbbbbb', 2)).committed],
      [false, true],
    )
  })

  it('asks again for who looks further or less far ahead, and says the wait of each', () => {
    const rate = (aheadMs?: number): Ask => ({
      ...{ op: 'rate', key: 'r', enforced: true, intervalMs: 1000, burst: 1, cost: 1 },
      ...(aheadMs !== undefined && { aheadMs }),
    })
    for (const expected of [0, 1000, 2000]) assert.equal(judge(rate(2000)).answers[0]!.startsInMs, expected)
    for (let round = 0; round < 2; round++) {
      assert.equal(judge(rate()).answers[0]!.retryAfterMs, 3000)
      assert.equal(judge(rate(2000)).answers[0]!.retryAfterMs, 1000)
    }
    const { trips } = store
    assert.equal(judge(rate(2000)).answers[0]!.retryAfterMs, 1000)
    assert.equal(store.trips, trips, 'the same is remembered')
    judge(rate())
    assert.equal(judge(rate(3000)).answers[0]!.startsInMs, 3000, 'a reservation that has room')
  })

  it('forgets a key that is reset', async () => {
    for (let count = 0; count < 3; count++) judge(ask('a'))
    await store.reset(['a'])
    assert.equal(judge(ask('a')).committed, true)
  })

  it('remembers a refused lease for a second at most, and not at all once it is given back here', () => {
    const lease = (id: string): Ask => ({ op: 'lease', key: 'l', enforced: true, limit: 1, id, ttlMs: 60_000 })
    judge(lease('aaaaaaaaaaaa'))
    assert.equal(judge(lease('bbbbbbbbbbbb')).committed, false)
    const { trips } = store
    assert.equal(judge(lease('bbbbbbbbbbbb')).committed, false)
    assert.equal(store.trips, trips)
    void store.release([{ key: 'l', id: 'aaaaaaaaaaaa' }])
    assert.equal(judge(lease('bbbbbbbbbbbb')).committed, true)
  })

  it('asks always about what more than time can free', () => {
    const excused: Ask = { ...ask('a', 1), unless: [0] }
    const merit = (sample?: number): Ask => {
      const bounds = { leastSamples: 1, leastMean: 0, halfLifeMs: 0, most: 9, apartMs: 0, keepMs: 9000 }
      return { op: 'merit', key: 'm', enforced: true, ...bounds, ...(sample !== undefined && { sample }) }
    }
    judge(merit(), excused)
    assert.equal(judge(merit(), excused).committed, false)
    assert.equal(store.remembered, 0)
    judge(merit(1))
    assert.equal(judge(merit(), excused).committed, true)

    const value = (value: number): Ask => ({
      ...{ op: 'distinct', key: 'd', enforced: true, value, limit: 1, windowMs: 1000 },
    })
    judge(value(1))
    assert.equal(judge(value(2)).committed, false)
    assert.equal(judge(value(1)).committed, true)

    // Known to be exhausted, but only for those whom no merit excuses.
    assert.equal(judge(ask('a', 1)).committed, false)
    assert.equal(store.remembered, 1)
    assert.equal(judge(merit(), excused).committed, true)
    const { trips } = store
    const [unknown, refused] = judge(merit(), ask('a', 1)).answers
    assert.deepEqual([unknown?.ok, unknown?.mean, refused?.ok, store.trips], [false, undefined, false, trips])
  })

  it('leaves the board to the store', async () => {
    const heard: BoardChange[] = []
    store.onBoard((change) => heard.push(change))
    await store.open()
    const entry = { key: 'k', text: '', expiresAt: now + 1000 }
    await store.post([entry])
    assert.deepEqual(await store.readBoard('', 9), [entry])
    assert.equal(await store.withdraw(['k']), 1)
    assert.deepEqual(
      heard.map(({ kind }) => kind),
      ['all', 'posted', 'withdrawn'],
    )
  })

  it('stays bounded under a hundred thousand exhausted keys', () => {
    for (let count = 0; count < 100_000; count++) {
      judge(ask(`k${count}`, 1))
      judge(ask(`k${count}`, 1))
    }
    assert.ok(store.remembered <= 50_000)
  })
})

describe('MemoryStore under a flood of keys', () => {
  it('keeps at most maxKeys of 100,000 senders in a minute, the latest ones', () => {
    const store = new MemoryStore({ clock: () => 1_000_000, maxKeys: 10_000 })
    const windows = [{ limit: 1, windowMs: 60_000 }]
    for (let count = 0; count < 100_000; count++) {
      store.judge([{ op: 'window', key: `sender|u${count}`, enforced: true, windows, cost: 1 }])
    }
    const again = (count: number) =>
      store.judge([{ op: 'window', key: `sender|u${count}`, enforced: true, windows, cost: 1 }]).committed
    assert.equal(again(99_999), false, 'the latest is remembered')
    return store.ping().then(({ keys }) => assert.ok(keys <= 10_000))
  })
})

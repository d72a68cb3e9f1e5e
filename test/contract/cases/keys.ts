import assert from 'node:assert/strict'
import { MAX_KEY_LENGTH, type Store, StoreError } from '../../../src/store/store'
import { type Bench, leaseAsk, leaseId, rateAsk, windowAsk } from '../bench'

/** Every printable character, twisted and repeated to the greatest length. */
const ODD_KEY = Array.from({ length: MAX_KEY_LENGTH }, (_, index) => String.fromCharCode(32 + ((index * 7) % 95))).join(
  '',
)

export function describeKeys(bench: Bench): void {
  describe('keys', () => {
    const windows = (limit: number) => [{ limit, windowMs: bench.windowMs }]

    it('of the greatest length and of odd characters are kept apart', async () => {
      const near = [
        ODD_KEY,
        `${ODD_KEY.slice(0, -1)}~`,
        ODD_KEY.slice(0, -1),
        ' ',
        '{}',
        '{a}b',
        'a{',
        '*',
        '\\x00',
        '"',
      ]
      for (const key of near) assert.equal((await bench.ask(windowAsk(key, windows(1)))).ok, true, key)
      for (const key of near) assert.equal((await bench.ask(windowAsk(key, windows(1)))).ok, false, key)
      assert.equal(await bench.store.reset(near), near.length)
    })

    it('are listed with their counts', async () => {
      const [prefix, other] = [bench.key('mine') + ':', bench.key('other')]
      await bench.judge(windowAsk(`${prefix}w`, windows(5), { cost: 3 }), rateAsk(`${prefix}r`, 1000, 5))
      await bench.judge(leaseAsk(`${prefix}l`, 5, 'a', 5000), windowAsk(other, windows(5)))
      const found = (await bench.store.list(prefix, 10)).sort((a, b) => (a.key < b.key ? -1 : 1))
      assert.deepEqual(
        found.map(({ key, op }) => [key, op]),
        [
          [`${prefix}l`, 'lease'],
          [`${prefix}r`, 'rate'],
          [`${prefix}w`, 'window'],
        ],
      )
      assert.deepEqual(found[0]!.counts, [{ windowMs: 0, count: 1 }])
      assert.deepEqual(found[2]!.counts, [{ windowMs: bench.windowMs, count: 3 }])
      assert.equal((await bench.store.list(prefix, 2)).length, 2)
      assert.equal((await bench.store.list(`${prefix}none`, 10)).length, 0)
    })

    it('are listed no more when they say nothing any more', async () => {
      const key = bench.key()
      await bench.judge(windowAsk(key, windows(5)))
      await bench.pass(bench.windowMs)
      assert.deepEqual(await bench.store.list(key, 10), [])
    })

    it('are forgotten by reset, which tells who listens', async () => {
      const [known, alsoKnown, unknown] = [bench.key(), bench.key(), bench.key()]
      const ask = windowAsk(known, windows(1))
      await bench.judge(ask, windowAsk(alsoKnown, windows(1)))
      const heard = collectResets(bench.store, 3)
      assert.equal(await bench.store.reset([known, alsoKnown, unknown]), 2)
      assert.deepEqual((await heard).sort(), [known, alsoKnown, unknown].sort())
      assert.equal((await bench.ask(ask)).ok, true)
      assert.equal(await bench.store.reset([]), 0)
    })

    it('that hold leases are forgotten too, and giving such a lease back is no mistake', async () => {
      const key = bench.key()
      await bench.judge(leaseAsk(key, 1, 'a', 5000))
      assert.equal(await bench.store.reset([key]), 1)
      assert.equal((await bench.ask(leaseAsk(key, 1, 'b', 5000))).ok, true)
      await bench.store.release([{ key, id: leaseId('a') }])
      assert.equal((await bench.ask(leaseAsk(key, 1, 'c', 5000))).ok, false)
    })

    it('are counted by ping', async () => {
      await bench.judge(windowAsk(bench.key(), windows(1)), windowAsk(bench.key(), windows(1)))
      const ping = await bench.store.ping()
      assert.equal(ping.kind, bench.store.kind)
      assert.ok(ping.keys >= 2, String(ping.keys))
      assert.ok(ping.latencyMs >= 0 && ping.latencyMs < 1000)
      assert.ok(Math.abs(ping.clockSkewMs) < 1000)
    })

    it('cannot be judged once the store is closed', async () => {
      const ask = windowAsk(bench.key(), windows(1))
      await bench.store.close()
      await assert.rejects(
        async () => bench.store.judge([ask]),
        (error) => error instanceof StoreError && error.code === 'STORE_CLOSED',
      )
      // Closing twice is no mistake.
      await bench.store.close()
    })
  })
}

/** Resolves when the store has told of so many resets. */
export function collectResets(store: Store, count: number): Promise<string[]> {
  const keys: string[] = []
  return new Promise((resolve) => {
    store.onReset((key) => {
      keys.push(key)
      if (keys.length === count) resolve(keys)
    })
  })
}

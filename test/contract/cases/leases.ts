import assert from 'node:assert/strict'
import { type Bench, leaseAsk, leaseId } from '../bench'

export function describeLeases(bench: Bench): void {
  describe('leases', () => {
    const ttlMs = () => (bench.virtual ? 30_000 : 300)

    it('are held by no more than the limit at a time, and given back', async () => {
      const key = bench.key()
      const take = (holder: string) => bench.ask(leaseAsk(key, 2, holder, ttlMs()))
      assert.deepEqual(await take('a'), { ok: true, count: 0, limit: 2, windowMs: 0, retryAfterMs: 0 })
      assert.equal((await take('b')).count, 1)
      const refused = await take('c')
      assert.deepEqual([refused.ok, refused.count], [false, 2])
      assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= ttlMs(), String(refused.retryAfterMs))
      await bench.store.release([{ key, id: leaseId('a') }])
      assert.equal((await take('c')).ok, true)
      assert.equal((await take('a')).ok, false)
    })

    it('may be given back twice, or without having been taken', async () => {
      const key = bench.key()
      const take = (holder: string) => bench.ask(leaseAsk(key, 1, holder, ttlMs()))
      await take('a')
      const unknown = { key: bench.key(), id: leaseId('nobody') }
      await bench.store.release([{ key, id: leaseId('a') }, unknown])
      assert.equal((await take('b')).ok, true)
      await bench.store.release([{ key, id: leaseId('a') }])
      assert.equal((await take('c')).ok, false)
    })

    it('are renewed by taking them again', async () => {
      const key = bench.key()
      const take = (holder: string) => bench.ask(leaseAsk(key, 1, holder, ttlMs()))
      await take('a')
      await bench.pass(ttlMs() / 2)
      assert.equal((await take('a')).ok, true)
      const { retryAfterMs } = await take('b')
      assert.ok(retryAfterMs > ttlMs() / 2, String(retryAfterMs))
    })

    it('end by themselves when nobody renews them', async () => {
      const key = bench.key()
      const take = (holder: string) => bench.ask(leaseAsk(key, 1, holder, ttlMs()))
      await take('a')
      const { retryAfterMs } = await take('b')
      if (bench.virtual) {
        assert.equal(retryAfterMs, ttlMs())
        await bench.pass(retryAfterMs - 1)
        assert.equal((await take('b')).ok, false)
        await bench.pass(1)
      } else await bench.pass(retryAfterMs)
      assert.equal((await take('b')).ok, true)
    })

    it('last as long as they are renewed', async () => {
      const key = bench.key()
      const take = (holder: string) => bench.ask(leaseAsk(key, 1, holder, ttlMs()))
      await take('a')
      for (let turn = 0; turn < 3; turn++) {
        await bench.pass(ttlMs() / 2)
        await bench.store.renew([{ key, id: leaseId('a') }], ttlMs())
        assert.equal((await take('b')).ok, false)
      }
    })

    it('that ended are taken again by renewing, whatever the limit says', async () => {
      const key = bench.key()
      const take = (holder: string) => bench.ask(leaseAsk(key, 1, holder, ttlMs()))
      await take('a')
      await bench.pass(ttlMs())
      assert.equal((await take('b')).ok, true)
      await bench.store.renew([{ key, id: leaseId('a') }], ttlMs())
      assert.equal((await bench.ask(leaseAsk(key, 2, 'c', ttlMs()))).count, 2)
    })
  })
}

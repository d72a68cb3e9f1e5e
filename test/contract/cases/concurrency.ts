import assert from 'node:assert/strict'
import { RemoteStore } from '../../support/remote-store'
import { hammer } from '../../support/store-process'
import { type Bench, leaseAsk, leaseId, windowAsk } from '../bench'
import { assertNeverMoreThan } from '../intervals'
import { collectResets } from './keys'

export function describeConcurrency(bench: Bench): void {
  describe('under concurrency', () => {
    it('admits exactly the limit of many asks at once', async () => {
      const ask = windowAsk(bench.key(), [{ limit: 20, windowMs: 60_000 }])
      const lease = (index: number) => leaseAsk(`${ask.key}:l`, 30, `h${index}`, 60_000)
      const verdicts = await Promise.all(
        Array.from({ length: 200 }, async (_, index) => bench.judge(ask, lease(index))),
      )
      assert.equal(verdicts.filter((verdict) => verdict.committed).length, 20)
    })

    if (bench.harness.again) {
      it('shares its state with another handle', async () => {
        const other = await bench.again()
        const key = bench.key()
        const ask = windowAsk(key, [{ limit: 2, windowMs: 60_000 }])
        assert.equal((await bench.judge(ask)).committed, true)
        assert.equal((await other.judge([ask])).committed, true)
        assert.equal((await bench.judge(ask)).committed, false)
        const take = leaseAsk(`${key}:l`, 1, 'a', 60_000)
        await other.judge([take])
        await bench.store.release([{ key: take.key, id: leaseId('a') }])
        assert.equal((await other.judge([leaseAsk(take.key, 1, 'b', 60_000)])).committed, true)
      })

      it('hears of a reset through another handle', async () => {
        const key = bench.key()
        const ask = windowAsk(key, [{ limit: 1, windowMs: 60_000 }])
        await bench.judge(ask)
        const heard = collectResets(bench.store, 1)
        const other = await bench.again()
        assert.equal(await other.reset([key]), 1)
        assert.deepEqual(await heard, [key])
        assert.equal((await bench.judge(ask)).committed, true)
      })
    }

    if (bench.harness.processSpec) {
      it('admits never more than the limit across processes, and no less', async () => {
        const remotes = await Promise.all([0, 1].map(() => RemoteStore.spawn(bench.harness.processSpec!())))
        try {
          const windows = [{ limit: 25, windowMs: 400 }]
          const ask = windowAsk(bench.key(), windows)
          const large = windowAsk(bench.key(), [{ limit: 200, windowMs: 300 }], { cost: 3 })
          const hammering = (what: typeof ask) => ({ ask: what, forMs: 1500, atOnce: 3 })
          const admissions = await Promise.all([
            hammer(bench.store, hammering(ask)),
            ...remotes.map((remote) => remote.hammer(hammering(ask))),
          ])
          assertNeverMoreThan(admissions.flat(), 25, 400)
          assert.ok(admissions.flat().length >= 75, `admitted only ${admissions.flat().length}`)
          const grouped = await Promise.all(remotes.map((remote) => remote.hammer(hammering(large))))
          assertNeverMoreThan(grouped.flat(), 200, 300)
          assert.ok(grouped.flat().length * 3 >= 600, `admitted only ${grouped.flat().length}`)
        } finally {
          await Promise.all(remotes.map((remote) => remote.close()))
        }
      })

      it('hears of a reset by another process', async () => {
        const key = bench.key()
        await bench.judge(windowAsk(key, [{ limit: 1, windowMs: 60_000 }]))
        const heard = collectResets(bench.store, 1)
        const remote = await RemoteStore.spawn(bench.harness.processSpec!())
        try {
          assert.equal(await remote.reset([key]), 1)
          assert.deepEqual(await heard, [key])
        } finally {
          await remote.close()
        }
      })
    }
  })
}

import assert from 'node:assert/strict'
import { type Bench, rateAsk } from '../bench'

export function describeRates(bench: Bench): void {
  describe('rates', () => {
    const intervalMs = () => (bench.virtual ? 1000 : 120)

    it('admits a burst, then one each interval', async () => {
      const ask = rateAsk(bench.key(), intervalMs(), 3)
      assert.equal(await bench.admitted(ask, 3), 3)
      const refused = await bench.ask(ask)
      assert.deepEqual([refused.ok, refused.limit, refused.windowMs], [false, 3, 3 * intervalMs()])
      assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= intervalMs(), String(refused.retryAfterMs))
      if (bench.virtual) {
        assert.equal(refused.retryAfterMs, intervalMs())
        await bench.pass(refused.retryAfterMs - 1)
        assert.equal((await bench.ask(ask)).retryAfterMs, 1)
        await bench.pass(1)
      } else await bench.pass(refused.retryAfterMs)
      assert.equal((await bench.ask(ask)).ok, true)
    })

    it('fills up again while nobody asks, to the burst and no further', async () => {
      const ask = rateAsk(bench.key(), intervalMs(), 2)
      assert.equal(await bench.admitted(ask, 2), 2)
      await bench.pass(intervalMs() * 5)
      assert.equal((await bench.judge(ask)).answers[0]!.count, 0)
      assert.equal((await bench.ask(ask)).ok, true)
      assert.equal((await bench.ask(ask)).ok, false)
    })

    it('counts cost, and says that more than the burst can never be', async () => {
      const key = bench.key()
      const costing = (cost: number) => rateAsk(key, intervalMs(), 4, { cost })
      assert.equal((await bench.ask(costing(3))).ok, true)
      const refused = await bench.ask(costing(2))
      assert.ok(!refused.ok && refused.retryAfterMs <= intervalMs())
      assert.equal((await bench.ask(costing(5))).retryAfterMs, Infinity)
      await bench.pass(refused.retryAfterMs)
      assert.equal((await bench.ask(costing(2))).ok, true)
    })
  })
}

import assert from 'node:assert/strict'
import { type Bench, tripletAsk, windowAsk } from '../bench'

export function describeTriplets(bench: Bench): void {
  describe('triplets', () => {
    const delayMs = () => (bench.virtual ? 300_000 : 300)

    it('are refused at first, and pass when the delay is over', async () => {
      const ask = tripletAsk(bench.key(), delayMs())
      const first = await bench.ask(ask)
      assert.deepEqual(first, { ok: false, count: 0, limit: 0, windowMs: delayMs(), retryAfterMs: delayMs() })
      await bench.pass(delayMs() / 3)
      const early = await bench.ask(ask)
      assert.ok(!early.ok && early.retryAfterMs > 0 && early.retryAfterMs < delayMs(), String(early.retryAfterMs))
      await bench.pass(early.retryAfterMs)
      assert.deepEqual(await bench.ask(ask), { ok: true, count: 0, limit: 0, windowMs: delayMs(), retryAfterMs: 0 })
      assert.deepEqual(await bench.ask(ask), { ok: true, count: 1, limit: 0, windowMs: delayMs(), retryAfterMs: 0 })
    })

    it('pass to the millisecond', async function () {
      if (!bench.virtual) return
      const ask = tripletAsk(bench.key(), delayMs())
      await bench.ask(ask)
      await bench.pass(delayMs() - 1)
      assert.equal((await bench.ask(ask)).retryAfterMs, 1)
      await bench.pass(1)
      assert.equal((await bench.ask(ask)).ok, true)
    })

    it('begin anew when nobody retries in time', async () => {
      const ask = tripletAsk(bench.key(), delayMs())
      await bench.ask(ask)
      await bench.pass(4 * delayMs())
      assert.equal((await bench.ask(ask)).retryAfterMs, delayMs())
    })

    it('are kept as long as they are used', async () => {
      const ask = tripletAsk(bench.key(), delayMs())
      await bench.ask(ask)
      await bench.pass(delayMs())
      for (let use = 0; use < 3; use++) {
        assert.equal((await bench.ask(ask)).ok, true)
        await bench.pass(4 * delayMs())
      }
      await bench.pass(4 * delayMs())
      assert.equal((await bench.ask(ask)).ok, false)
    })

    it('are remembered, but do not pass, when something else refuses their batch', async () => {
      const ask = tripletAsk(bench.key(), delayMs())
      const full = windowAsk(bench.key(), [{ limit: 0, windowMs: 1000 }])
      assert.equal((await bench.judge(ask, full)).committed, false)
      await bench.pass(delayMs())
      assert.deepEqual((await bench.judge(ask, full)).answers[0], { ...(await bench.ask(ask)), count: 0 })
      assert.equal((await bench.ask(ask)).count, 1)
    })

    it('hold up nobody in shadow, and consume nothing of others when enforced', async () => {
      const window = windowAsk(bench.key(), [{ limit: 1, windowMs: bench.windowMs }])
      const refused = await bench.judge(tripletAsk(bench.key(), delayMs()), window)
      assert.equal(refused.committed, false)
      const shadow = await bench.judge(tripletAsk(bench.key(), delayMs(), { enforced: false }), window)
      assert.deepEqual([shadow.committed, shadow.answers[0]!.ok], [true, false])
    })

    it('of two that are new at once are one', async () => {
      const ask = tripletAsk(bench.key(), delayMs())
      const [one, two] = await Promise.all([bench.ask(ask), bench.ask(ask)])
      assert.deepEqual([one.ok, two.ok], [false, false])
      assert.ok(Math.abs(one.retryAfterMs - two.retryAfterMs) < delayMs() / 2)
      const [state] = await bench.store.list(ask.key, 9)
      assert.deepEqual([state?.op, state?.counts], ['triplet', [{ windowMs: 0, count: 0 }]])
    })
  })
}

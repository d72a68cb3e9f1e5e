import assert from 'node:assert/strict'
import { type Bench, windowAsk } from '../bench'

export function describeWindows(bench: Bench): void {
  describe('windows', () => {
    it('admits as many as the limit says, then refuses', async () => {
      const ask = windowAsk(bench.key(), [{ limit: 3, windowMs: bench.windowMs }])
      for (let count = 0; count < 3; count++) {
        const answer = await bench.ask(ask)
        assert.deepEqual(answer, { ok: true, count, limit: 3, windowMs: bench.windowMs, retryAfterMs: 0 })
      }
      const refused = await bench.ask(ask)
      assert.equal(refused.ok, false)
      assert.equal(refused.count, 3)
      assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= bench.windowMs, String(refused.retryAfterMs))
    })

    it('says exactly when there is room again', async () => {
      const ask = windowAsk(bench.key(), [{ limit: 2, windowMs: bench.windowMs }])
      await bench.ask(ask)
      await bench.pass(bench.windowMs / 4)
      await bench.ask(ask)
      const { retryAfterMs } = await bench.ask(ask)
      if (bench.virtual) {
        assert.equal(retryAfterMs, (bench.windowMs * 3) / 4)
        await bench.pass(retryAfterMs - 1)
        assert.equal((await bench.ask(ask)).retryAfterMs, 1)
        await bench.pass(1)
      } else await bench.pass(retryAfterMs)
      assert.equal(await bench.admitted(ask, 2), 1)
    })

    it('holds all windows of a key, and names the one that binds longest', async () => {
      const long = bench.windowMs * 3
      const ask = windowAsk(bench.key(), [
        { limit: 2, windowMs: bench.windowMs },
        { limit: 3, windowMs: long },
      ])
      assert.equal(await bench.admitted(ask, 3), 2)
      const first = await bench.ask(ask)
      assert.equal(first.windowMs, bench.windowMs)
      await bench.pass(first.retryAfterMs)
      assert.equal(await bench.admitted(ask, 2), 1)
      const second = await bench.ask(ask)
      assert.deepEqual([second.ok, second.windowMs, second.limit, second.count], [false, long, 3, 3])
    })

    it('counts cost, not asks', async () => {
      const windows = [{ limit: 10, windowMs: bench.windowMs }]
      const key = bench.key()
      assert.equal((await bench.ask(windowAsk(key, windows, { cost: 7 }))).ok, true)
      const refused = await bench.ask(windowAsk(key, windows, { cost: 4 }))
      assert.deepEqual([refused.ok, refused.count], [false, 7])
      assert.equal((await bench.ask(windowAsk(key, windows, { cost: 3 }))).ok, true)
    })

    it('says that more than the limit can never be', async () => {
      const ask = windowAsk(bench.key(), [{ limit: 3, windowMs: bench.windowMs }], { cost: 4 })
      const answer = await bench.ask(ask)
      assert.deepEqual([answer.ok, answer.count, answer.retryAfterMs], [false, 0, Infinity])
      await bench.pass(bench.windowMs)
      assert.equal((await bench.ask(ask)).ok, false)
    })

    it('waits for as many slots as the cost needs', async () => {
      const windows = [{ limit: 3, windowMs: bench.windowMs }]
      const key = bench.key()
      const one = windowAsk(key, windows)
      const two = windowAsk(key, windows, { cost: 2 })
      await bench.ask(one)
      await bench.pass(bench.windowMs / 4)
      await bench.ask(one)
      await bench.pass(bench.windowMs / 4)
      await bench.ask(one)
      const [forOne, forTwo] = [await bench.ask(one), await bench.ask(two)]
      if (bench.virtual) {
        assert.equal(forOne.retryAfterMs, bench.windowMs / 2)
        assert.equal(forTwo.retryAfterMs, (bench.windowMs * 3) / 4)
      } else assert.ok(forTwo.retryAfterMs > forOne.retryAfterMs)
      await bench.pass(forTwo.retryAfterMs)
      assert.equal((await bench.ask(two)).ok, true)
    })

    it('starts anew when the windows of a key were changed', async () => {
      const key = bench.key()
      const before = windowAsk(key, [{ limit: 2, windowMs: bench.windowMs }])
      assert.equal(await bench.admitted(before, 3), 2)
      const after = windowAsk(key, [{ limit: 2, windowMs: bench.windowMs * 2 }])
      assert.deepEqual((await bench.ask(after)).count, 0)
      assert.equal(await bench.admitted(after, 3), 1)
    })

    it('holds to the limit of the moment when limits change', async () => {
      const key = bench.key()
      const ask = (limit: number) => windowAsk(key, [{ limit, windowMs: bench.windowMs }])
      assert.equal(await bench.admitted(ask(4), 5), 4)
      assert.equal(await bench.admitted(ask(6), 5), 2)
      const lowered = await bench.ask(ask(2))
      assert.deepEqual([lowered.ok, lowered.count, lowered.limit], [false, 6, 2])
      await bench.pass(lowered.retryAfterMs)
      assert.equal((await bench.ask(ask(2))).ok, true)
    })

    if (bench.virtual) {
      it('frees each unit of a large limit at most 1/60 of the window late', async () => {
        const [limit, windowMs] = [200, 60_000]
        const ask = windowAsk(bench.key(), [{ limit, windowMs }])
        const everyMs = 150
        for (let unit = 0; unit < limit; unit++) {
          assert.equal((await bench.ask(ask)).ok, true)
          await bench.pass(everyMs)
        }
        let nowMs = limit * everyMs
        for (let unit = 0; unit < limit; unit++) {
          const leastMs = Math.max(0, unit * everyMs + windowMs - nowMs)
          const { ok, retryAfterMs } = await bench.ask(ask)
          if (ok) continue
          assert.ok(retryAfterMs >= leastMs && retryAfterMs <= leastMs + windowMs / 60, `${retryAfterMs}, ${leastMs}`)
          await bench.pass(retryAfterMs)
          nowMs += retryAfterMs
          assert.equal((await bench.ask(ask)).ok, true)
        }
      })
    }

    it('keeps large limits in groups: never too many, and free at most 1/60 of the window late', async () => {
      const limit = 1000
      const { windowMs } = bench
      const ask = windowAsk(bench.key(), [{ limit, windowMs }], { cost: 10 })
      assert.equal(await bench.admitted(ask, limit / 10), limit / 10)
      const refused = await bench.ask(ask)
      assert.deepEqual([refused.ok, refused.count], [false, limit])
      assert.ok(refused.retryAfterMs <= windowMs + windowMs / 60 + 1, String(refused.retryAfterMs))
      await bench.pass(refused.retryAfterMs)
      assert.equal((await bench.ask(ask)).ok, true)
    })
  })
}

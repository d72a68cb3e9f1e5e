import assert from 'node:assert/strict'
import fc from 'fast-check'
import { bitOf, mostBits } from '../../../src/store/engine/sketch'
import { type Bench, distinctAsk } from '../bench'

/** So far beyond the length of a test that no generation ends in it. */
const LONG_MS = 60_000

export function describeDistinct(bench: Bench): void {
  describe('different values', () => {
    it('have room up to the limit, and known ones always', async () => {
      const key = bench.key()
      const ask = (value: number) => bench.ask(distinctAsk(key, value, 3, LONG_MS))
      for (const value of [1, 2, 3]) {
        const bound = { limit: 3, windowMs: LONG_MS, retryAfterMs: 0 }
        assert.deepEqual(await ask(value), { ok: true, count: value - 1, ...bound })
        assert.deepEqual(await ask(value), { ok: true, count: value, ...bound })
      }
      const refused = await ask(4)
      assert.deepEqual([refused.ok, refused.count, refused.limit, refused.windowMs], [false, 3, 3, LONG_MS])
      assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= 2 * LONG_MS, String(refused.retryAfterMs))
      for (const value of [1, 2, 3]) assert.equal((await ask(value)).ok, true)
    })

    it('add nothing when refused', async () => {
      const key = bench.key()
      const [first, other] = [distinctAsk(key, 1, 1, LONG_MS), distinctAsk(key, 2, 1, LONG_MS)]
      await bench.ask(first)
      for (let turn = 0; turn < 3; turn++) assert.deepEqual((await bench.ask(other)).count, 1)
      assert.equal((await bench.ask({ ...other, limit: 2 })).ok, true)
      assert.equal((await bench.ask({ ...other, value: 3, limit: 2 })).count, 2)
    })

    it('have room again after the wait', async () => {
      const key = bench.key()
      const ask = (value: number) => bench.ask(distinctAsk(key, value, 2, bench.windowMs / 2))
      await ask(1)
      await ask(2)
      const { retryAfterMs } = await ask(3)
      if (bench.virtual) {
        assert.equal(retryAfterMs, bench.windowMs)
        await bench.pass(retryAfterMs - 1)
        assert.equal((await ask(3)).retryAfterMs, 1)
        await bench.pass(1)
      } else await bench.pass(retryAfterMs)
      assert.equal((await ask(3)).ok, true)
    })

    it('wait for the older generation alone when the newer one has room', async () => {
      if (!bench.virtual) return
      const { windowMs } = bench
      const key = bench.key()
      const ask = (value: number) => bench.ask(distinctAsk(key, value, 2, windowMs))
      await ask(1)
      await bench.pass(windowMs)
      await ask(2)
      assert.equal((await ask(3)).retryAfterMs, windowMs)
      await bench.pass(windowMs)
      const { ok, count } = await ask(3)
      assert.deepEqual([ok, count], [true, 1])
    })

    it('are remembered for at least a window after their last use', async () => {
      const { windowMs } = bench
      const key = bench.key()
      const ask = (value: number) => bench.ask(distinctAsk(key, value, 1, windowMs))
      for (let use = 0; use < 4; use++) {
        assert.equal((await ask(1)).ok, true)
        if (bench.virtual) await bench.pass(windowMs - 1)
        else await bench.pass(windowMs / 3)
        assert.equal((await ask(2)).ok, false)
      }
      await bench.pass(2 * windowMs)
      assert.equal((await ask(2)).ok, true)
    })

    it('never have room where none are allowed', async () => {
      const answer = await bench.ask(distinctAsk(bench.key(), 1, 0, LONG_MS))
      assert.deepEqual([answer.ok, answer.retryAfterMs], [false, Infinity])
    })

    it('begin anew when the window was changed', async () => {
      const key = bench.key()
      await bench.ask(distinctAsk(key, 1, 1, LONG_MS))
      assert.equal((await bench.ask(distinctAsk(key, 2, 1, LONG_MS))).ok, false)
      assert.deepEqual((await bench.ask(distinctAsk(key, 2, 1, 2 * LONG_MS))).ok, true)
    })

    it('are listed with their number', async () => {
      const key = bench.key()
      for (const value of [7, 8, 9, 9]) await bench.ask(distinctAsk(key, value, 5, LONG_MS))
      const [state] = await bench.store.list(key, 9)
      assert.deepEqual([state?.op, state?.counts], ['distinct', [{ windowMs: LONG_MS, count: 3 }]])
    })

    for (const limit of [20, 100, 600]) {
      it(`are told apart well enough at a limit of ${limit}`, async () => {
        const key = bench.key()
        const pass = async (name: string) => (await bench.ask(distinctAsk(key, name, limit, LONG_MS))).ok
        let passed = 0
        for (let value = 0; value < limit * 0.9; value++) if (await pass(`v${value}@example.com`)) passed++
        assert.equal(passed, limit * 0.9)
        let more = 0
        for (let value = 0; value < limit; value++) if (await pass(`w${value}@example.net`)) more++
        // A tenth that is left, some percent of error, and those whose bits are set by chance.
        const byChance = limit * (mostBits(limit) / 1024)
        assert.ok(more <= limit * 0.2 + byChance * 1.2, `${more} beyond ${passed} passed`)
      })
    }

    it('set no more bits in any window than the limit says, and refuse no longer than they must', async () => {
      const windowMs = bench.virtual ? 1000 : 60
      const value = fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
      const pause = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: windowMs }))
      const scene = fc.record({
        limit: fc.constantFrom(1, 5, 20),
        steps: fc.array(fc.record({ value, pause }), { minLength: 1, maxLength: bench.virtual ? 80 : 25 }),
      })
      await fc.assert(
        fc.asyncProperty(scene, async ({ limit, steps }) => {
          const key = bench.key()
          const passed: { bit: number; from: number; to: number }[] = []
          let now = 0
          for (const { value, pause } of steps) {
            if (pause > 0) await bench.pass(pause)
            now += pause
            const from = bench.virtual ? now : Date.now()
            const { ok, retryAfterMs } = await bench.ask(distinctAsk(key, value, limit, windowMs))
            const to = bench.virtual ? now : Date.now()
            if (ok) passed.push({ bit: bitOf(value), from, to })
            else assert.ok(retryAfterMs >= 1 && retryAfterMs <= 2 * windowMs, String(retryAfterMs))
          }
          for (const { from: start } of passed) {
            const inside = passed.filter(({ from, to }) => from >= start && to < start + windowMs)
            assert.ok(new Set(inside.map(({ bit }) => bit)).size <= mostBits(limit))
          }
          await bench.pass(2 * windowMs)
          assert.equal((await bench.ask(distinctAsk(key, 1, limit, windowMs))).count, 0)
        }),
        { numRuns: bench.virtual ? 100 : 4 },
      )
    })
  })
}

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { MeritAsk } from '../../../src/store/store'
import { type Bench, meritAsk, windowAsk } from '../bench'

const KEEP_MS = 60_000

export function describeMerits(bench: Bench): void {
  describe('merits', () => {
    const takeAll = async (key: string, samples: readonly number[], more: Partial<MeritAsk> = {}) => {
      for (const sample of samples) await bench.ask(meritAsk(key, KEEP_MS, { ...more, sample }))
    }
    const read = async (key: string, more: Partial<MeritAsk> = {}) => {
      const { count, mean } = await bench.ask(meritAsk(key, KEEP_MS, more))
      return [count, mean]
    }

    it('know nothing of a stranger, and remember nobody for reading', async () => {
      const ask = meritAsk(bench.key(), KEEP_MS)
      const nothing = { ok: false, count: 0, limit: 2, windowMs: 0, retryAfterMs: 0, mean: 0 }
      assert.deepEqual(await bench.ask(ask), nothing)
      assert.deepEqual(await bench.ask(ask), nothing)
      assert.deepEqual(await bench.store.list(ask.key, 9), [])
    })

    it('judge what was held before the sample', async () => {
      const ask = meritAsk(bench.key(), KEEP_MS, { sample: 1 })
      const answers = [await bench.ask(ask), await bench.ask(ask), await bench.ask(ask)]
      assert.deepEqual(
        answers.map(({ ok, count, mean }) => [ok, count, mean]),
        [
          [false, 0, 0],
          [false, 1, 1],
          [true, 2, 1],
        ],
      )
    })

    it('want the mean as well as the number', async () => {
      const key = bench.key()
      await takeAll(key, [1, 1, 0, 0, 0.5])
      assert.deepEqual(await read(key), [5, 0.5])
      assert.equal((await bench.ask(meritAsk(key, KEEP_MS))).ok, true)
      assert.equal((await bench.ask(meritAsk(key, KEEP_MS, { leastMean: 0.5001 }))).ok, false)
      assert.equal((await bench.ask(meritAsk(key, KEEP_MS, { leastSamples: 6 }))).ok, false)
      await takeAll(key, [-1])
      assert.deepEqual(await read(key), [6, 0.25])
    })

    it('hold no more than so many samples, so that old ones fade', async () => {
      const key = bench.key()
      const most = { most: 4 }
      await takeAll(key, Array<number>(9).fill(1), most)
      assert.deepEqual(await read(key, most), [4, 1])
      await takeAll(key, [-1], most)
      assert.deepEqual(await read(key, most), [4, 0.5])
      await takeAll(key, Array<number>(60).fill(-1), most)
      const [, mean] = await read(key, most)
      assert.ok(mean! <= -0.9997, String(mean))
    })

    it('let a sample that comes too soon change nothing', async () => {
      const key = bench.key()
      const apartMs = bench.windowMs / 2
      await takeAll(key, [1, -1, -1], { apartMs })
      assert.deepEqual(await read(key), [1, 1])
      await bench.pass(apartMs)
      await takeAll(key, [-1], { apartMs })
      assert.deepEqual(await read(key), [2, 0])
    })

    it('grow old: their number halves, and in the end nothing is left', async () => {
      const key = bench.key()
      const halfLifeMs = bench.virtual ? 16_000 : 16
      await takeAll(key, Array<number>(8).fill(-1))
      if (bench.virtual) {
        await bench.pass(halfLifeMs)
        assert.deepEqual(await read(key, { halfLifeMs }), [4, -1])
        await takeAll(key, [1], { halfLifeMs })
        assert.deepEqual(await read(key, { halfLifeMs }), [5, -0.6])
      }
      await bench.pass(21 * halfLifeMs)
      assert.deepEqual(await read(key, { halfLifeMs, keepMs: 2 * KEEP_MS }), [0, 0])
    })

    it('are forgotten when no sample came for long, whoever reads them', async () => {
      const keepMs = bench.windowMs
      const ask = meritAsk(bench.key(), keepMs)
      await bench.ask({ ...ask, sample: 1 })
      await bench.pass(keepMs / 2)
      assert.equal((await bench.ask(ask)).count, 1)
      await bench.pass(keepMs / 2)
      assert.deepEqual((await bench.ask(ask)).count, 0)
      assert.deepEqual(await bench.store.list(ask.key, 9), [])
    })

    it('refuse no batch, even if enforced, and take a sample only with the batch', async () => {
      const ask = meritAsk(bench.key(), KEEP_MS, { enforced: true, sample: 1 })
      const window = windowAsk(bench.key(), [{ limit: 1, windowMs: KEEP_MS }])
      const verdict = await bench.judge(ask, window)
      assert.deepEqual([verdict.committed, verdict.answers[0]!.ok], [true, false])
      assert.equal((await bench.judge(ask, window)).committed, false)
      assert.deepEqual(await read(ask.key), [1, 1])
    })

    it('are listed with their mean', async () => {
      const key = bench.key()
      await takeAll(key, [1, 0, -1, 1])
      const [state] = await bench.store.list(key, 9)
      assert.deepEqual([state?.op, state?.counts, state?.mean], ['merit', [{ windowMs: 0, count: 4 }], 0.25])
    })

    it('stay between −1 and 1 and hold no more than allowed, and fade to neutral, whatever comes', async () => {
      const sample = fc.oneof(fc.constantFrom(-1, 1), fc.double({ min: -1, max: 1, noNaN: true }))
      const step = fc.record({ sample, passMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 })) })
      const scene = fc.record({
        steps: fc.array(step, { minLength: 1, maxLength: bench.virtual ? 40 : 8 }),
        most: fc.constantFrom(1, 3, 50),
        halfLifeMs: fc.integer({ min: 1, max: bench.virtual ? 1000 : 15 }),
      })
      await fc.assert(
        fc.asyncProperty(scene, async ({ steps, most, halfLifeMs }) => {
          const ask = meritAsk(bench.key(), KEEP_MS, { leastSamples: 1, leastMean: -1, most, halfLifeMs })
          for (const { sample, passMs } of steps) {
            await bench.pass(passMs)
            const { ok, count, mean } = await bench.ask({ ...ask, sample })
            assert.ok(mean! >= -1 && mean! <= 1, `mean ${mean}`)
            assert.ok(count >= 0 && count <= most, `count ${count}`)
            assert.equal(ok, count >= 1)
          }
          await bench.pass(21 * halfLifeMs)
          const { ok, count, mean } = await bench.ask(ask)
          assert.deepEqual([ok, count, mean], [false, 0, 0])
        }),
        { numRuns: bench.virtual ? 100 : 5 },
      )
    })
  })
}

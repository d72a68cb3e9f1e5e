import assert from 'node:assert/strict'
import type { Ask } from '../../../src/store/store'
import { type Bench, distinctAsk, leaseAsk, meritAsk, rateAsk, tripletAsk, windowAsk } from '../bench'

const LONG_MS = 60_000

export function describeExcuses(bench: Bench): void {
  describe('an ask with unless', () => {
    /** A merit that is ok, whoever it is of. */
    const good = () => meritAsk(bench.key('merit'), LONG_MS, { leastSamples: 0, leastMean: 0 })
    /** A merit of somebody nobody knows. */
    const unknown = () => meritAsk(bench.key('merit'), LONG_MS)
    const full = (more: Partial<Ask> = {}): Ask =>
      ({ ...windowAsk(bench.key(), [{ limit: 0, windowMs: LONG_MS }]), ...more }) as Ask

    it('is excused by a merit that is ok, and consumes and remembers nothing', async () => {
      const prefix = bench.key('excused') + ':'
      const key = (name: string) => prefix + name
      const asks: Ask[] = [
        windowAsk(key('w'), [{ limit: 3, windowMs: 5000 }]),
        rateAsk(key('r'), 1000, 7),
        leaseAsk(key('l'), 2, 'a', 1000),
        tripletAsk(key('g'), 300_000),
        meritAsk(key('m'), LONG_MS, { sample: 1 }),
        distinctAsk(key('d'), 1, 4, 8000),
      ].map((ask) => ({ ...ask, unless: [0] }))
      const { committed, answers } = await bench.judge(good(), ...asks)
      assert.equal(committed, true)
      assert.deepEqual(
        answers.slice(1),
        [
          { limit: 3, windowMs: 5000 },
          { limit: 7, windowMs: 7000 },
          { limit: 2, windowMs: 0 },
          { limit: 0, windowMs: 300_000 },
          { limit: 2, windowMs: 0 },
          { limit: 4, windowMs: 8000 },
        ].map((bound) => ({ ok: true, count: 0, ...bound, retryAfterMs: 0, excused: 0 })),
      )
      assert.deepEqual(await bench.store.list(prefix, 9), [])
    })

    it('is judged as ever when no merit is ok', async () => {
      const window = windowAsk(bench.key(), [{ limit: 1, windowMs: LONG_MS }], { unless: [0, 1] })
      const first = await bench.judge(unknown(), unknown(), window)
      assert.deepEqual(first.answers[2], { ok: true, count: 0, limit: 1, windowMs: LONG_MS, retryAfterMs: 0 })
      const second = await bench.judge(unknown(), unknown(), window)
      assert.deepEqual([second.committed, second.answers[2]!.ok, second.answers[2]!.count], [false, false, 1])
      assert.equal((await bench.judge({ ...window, unless: [] })).committed, false)
    })

    it('names the first merit of its list that is ok', async () => {
      const { committed, answers } = await bench.judge(good(), unknown(), good(), full({ unless: [1, 2, 0] }))
      assert.deepEqual([committed, answers[3]!.excused], [true, 2])
    })

    it('lets others of its batch be judged after it', async () => {
      const free = windowAsk(bench.key(), [{ limit: 5, windowMs: LONG_MS }])
      const asks = [good(), full({ unless: [0] }), free, full({ unless: [0] })]
      assert.equal((await bench.judge(...asks)).answers[2]!.count, 0)
      const { answers } = await bench.judge(...asks)
      assert.deepEqual(
        answers.map(({ count, excused }) => [count, excused]),
        [
          [0, undefined],
          [0, 0],
          [1, undefined],
          [0, 0],
        ],
      )
      assert.equal((await bench.judge(...asks, full())).committed, false)
    })

    it('does not hold up a batch, nor does a batch that something else refuses excuse it less', async () => {
      const triplet = tripletAsk(bench.key(), 300_000, { unless: [0] })
      const { committed, answers } = await bench.judge(good(), triplet, full())
      assert.deepEqual([committed, answers[1]!.ok, answers[1]!.excused], [false, true, 0])
      assert.deepEqual(await bench.store.list(triplet.key, 9), [])
      assert.equal((await bench.judge(unknown(), triplet)).committed, false)
      assert.equal((await bench.store.list(triplet.key, 9)).length, 1)
    })

    it('may itself be a merit, which then is ok and takes no sample', async () => {
      const second = meritAsk(bench.key(), LONG_MS, { sample: -1, unless: [0] })
      const { committed, answers } = await bench.judge(good(), second, full({ unless: [1] }))
      assert.deepEqual([committed, answers[1]!.mean, answers[2]!.excused], [true, undefined, 1])
      assert.deepEqual(await bench.store.list(second.key, 9), [])
    })

    it('is excused by what a merit was before its own sample', async () => {
      const merit = meritAsk(bench.key(), LONG_MS, { leastSamples: 1, leastMean: 1, sample: 1 })
      const shadow = full({ unless: [0], enforced: false })
      assert.equal((await bench.judge(merit, shadow)).answers[1]!.ok, false)
      assert.equal((await bench.judge({ ...merit, sample: -1 }, shadow)).answers[1]!.excused, 0)
      assert.equal((await bench.judge(merit, shadow)).answers[1]!.ok, false)
    })

    it('is a mistake when it names anything but an earlier merit', async () => {
      const wrong: Ask[][] = [
        [full({ unless: [0] })],
        [full({ unless: [1] }), good()],
        [full(), full({ unless: [0] })],
        [good(), full({ unless: [-1] })],
        [good(), full({ unless: [0.5] })],
        [good(), full({ unless: [0, 7] })],
      ]
      for (const asks of wrong) await assert.rejects(async () => bench.judge(...asks), RangeError)
      assert.equal((await bench.judge(good(), full({ unless: [0] }))).committed, true)
    })
  })
}

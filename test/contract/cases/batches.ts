import assert from 'node:assert/strict'
import type { Ask } from '../../../src/store/store'
import { type Bench, leaseAsk, rateAsk, windowAsk } from '../bench'

export function describeBatches(bench: Bench): void {
  describe('batches', () => {
    const windows = (limit: number) => [{ limit, windowMs: bench.windowMs }]

    it('answer every ask in order', async () => {
      const asks: Ask[] = [
        windowAsk(bench.key(), windows(5)),
        rateAsk(bench.key(), 1000, 7),
        leaseAsk(bench.key(), 9, 'a', 1000),
        windowAsk(bench.key(), windows(11)),
      ]
      const { committed, answers, degraded } = await bench.judge(...asks)
      assert.equal(committed, true)
      assert.equal(degraded, false)
      assert.deepEqual(
        answers.map((answer) => answer.limit),
        [5, 7, 9, 11],
      )
    })

    it('of nothing are committed', async () => {
      assert.deepEqual(await bench.judge(), { committed: true, answers: [], degraded: false })
    })

    it('consume nothing when an enforced ask is refused', async () => {
      const full = windowAsk(bench.key(), windows(1))
      const others: Ask[] = [
        windowAsk(bench.key(), windows(5)),
        rateAsk(bench.key(), 1000, 5),
        leaseAsk(bench.key(), 5, 'a', 1000),
      ]
      await bench.judge(full)
      for (const order of [
        [full, ...others],
        [...others, full],
      ]) {
        const { committed, answers } = await bench.judge(...order)
        assert.equal(committed, false)
        assert.equal(answers.filter((answer) => answer.ok).length, 3)
      }
      const { answers } = await bench.judge(...others)
      assert.deepEqual(
        answers.map((answer) => answer.count),
        [0, 0, 0],
      )
    })

    it('a refused ask does not lengthen its own wait', async () => {
      const ask = windowAsk(bench.key(), windows(1))
      await bench.ask(ask)
      const first = await bench.ask(ask)
      for (let turn = 0; turn < 5; turn++) await bench.ask(ask)
      const last = await bench.ask(ask)
      assert.ok(last.retryAfterMs <= first.retryAfterMs)
      assert.equal(last.count, 1)
    })

    it('are not held up by an ask that is not enforced, which consumes nothing either', async () => {
      const shadow = windowAsk(bench.key(), windows(1), { enforced: false })
      const real = windowAsk(bench.key(), windows(5))
      await bench.judge(shadow, real)
      const { committed, answers } = await bench.judge(shadow, real)
      assert.equal(committed, true)
      assert.deepEqual(
        answers.map((answer) => [answer.ok, answer.count]),
        [
          [false, 1],
          [true, 1],
        ],
      )
      const after = await bench.judge(shadow, real)
      assert.deepEqual(
        after.answers.map((answer) => answer.count),
        [1, 2],
      )
    })

    it('of the largest size are judged at once', async () => {
      const asks = Array.from({ length: 64 }, () => windowAsk(bench.key(), windows(1)))
      assert.equal((await bench.judge(...asks)).committed, true)
      const again = await bench.judge(...asks)
      assert.equal(again.answers.filter((answer) => !answer.ok).length, 64)
    })
  })
}

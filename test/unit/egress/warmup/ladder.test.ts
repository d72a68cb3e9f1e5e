import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Ladder, isWarm, planFrom, quotaOf, stageOf, stepDown, stepUp } from '../../../../src/egress/warmup/ladder'
import { LADDER } from './fixtures'

const TABLE: Ladder = { start: 200, growth: 0.3, stages: [200, 500, 1000, 2000], until: 5000, cools: true }

describe('ladder', () => {
  it('rises by its growth until it is warm', () => {
    assert.deepEqual(planFrom({ ...LADDER, until: 300 }, 100), [100, 130, 169, 219, 284, 300])
    assert.deepEqual(
      [299, 300].map((quota) => isWarm({ ...LADDER, until: 300 }, quota)),
      [false, true],
    )
  })

  it('goes by its table, and to the end after it', () => {
    assert.deepEqual(planFrom(TABLE, 200), [200, 500, 1000, 2000, 5000])
    assert.deepEqual(
      [5000, 2000, 700, 500, 200].map((quota) => stepDown(TABLE, quota)),
      [2000, 1000, 500, 200, 200],
    )
  })

  it('has stages, counted from 1', () => {
    assert.deepEqual(
      [1, 2, 3, 99].map((stage) => quotaOf(TABLE, stage)),
      [200, 500, 1000, 5000],
    )
    assert.deepEqual(
      [1, 200, 499, 500, 5000].map((quota) => stageOf(TABLE, quota)),
      [1, 1, 1, 2, 5],
    )
  })

  it('leaves who has less than the start by a word from outside where he is, and takes him up from there', () => {
    assert.deepEqual([stepDown(LADDER, 40), stepUp(LADDER, 40)], [40, 52])
  })

  it('never stands still on the way up, never grows by more than it may, and ends', () => {
    const ladders = fc.record({
      start: fc.integer({ min: 1, max: 1000 }),
      growth: fc.double({ min: 0.01, max: 1, noNaN: true }),
      stages: fc.constant(undefined),
      cools: fc.constant(true),
      until: fc.integer({ min: 1000, max: 1_000_000 }),
    })
    fc.assert(
      fc.property(ladders, fc.integer({ min: 1, max: 2_000_000 }), (ladder, quota) => {
        const up = stepUp(ladder, quota)
        assert.ok(up === ladder.until || (up > quota && up <= Math.max(quota + 1, quota * (1 + ladder.growth))))
        const down = stepDown(ladder, quota)
        assert.ok(down <= quota && (down < quota || quota <= ladder.start))
        assert.equal(planFrom(ladder, ladder.start).at(-1), ladder.until)
      }),
    )
  })
})

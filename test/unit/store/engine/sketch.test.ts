import assert from 'node:assert/strict'
import fc from 'fast-check'
import { hash32 } from '../../../../src/keys/key'
import {
  bitOf,
  commitDistinct,
  emptySketch,
  estimateOf,
  judgeDistinct,
  mostBits,
} from '../../../../src/store/engine/sketch'
import { distinctAsk } from '../../../contract/bench'

const NOW = 1_700_000_000_000

describe('a sketch', () => {
  it('estimates from none to all bits, and never less for more', () => {
    assert.deepEqual([0, 1, 2, 20, 100, 454].map(estimateOf), [0, 1, 2, 20, 105, 600])
    for (let set = 1; set <= 1024; set++) assert.ok(estimateOf(set) >= estimateOf(set - 1))
    assert.ok(Number.isFinite(estimateOf(1024)))
  })

  it('allows as many bits as the limit, and no more than for 600', () => {
    for (let limit = 0; limit <= 600; limit++) {
      const most = mostBits(limit)
      assert.ok(estimateOf(most) <= limit && estimateOf(most + 1) > limit, `${most} bits for ${limit}`)
    }
    assert.deepEqual([mostBits(0), mostBits(1), mostBits(2)], [0, 1, 2])
    assert.equal(mostBits(1_000_000), mostBits(600))
  })

  it('spreads hashes, and numbers that follow each other, over all bits', () => {
    for (const hashes of [(index: number) => hash32(`user${index}@example.com`), (index: number) => index]) {
      const counts = new Array<number>(1024).fill(0)
      for (let index = 0; index < 102_400; index++) counts[bitOf(hashes(index))]!++
      assert.ok(Math.min(...counts) > 50 && Math.max(...counts) < 160, `${Math.min(...counts)}, ${Math.max(...counts)}`)
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => bitOf(value) >= 0 && bitOf(value) < 1024),
    )
  })

  it('keeps its numbers of set bits true, whatever the clock does', () => {
    const step = fc.record({ value: fc.nat(2000), passedMs: fc.integer({ min: -300, max: 900 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const state = emptySketch(distinctAsk('k', 0, 600, 1000), NOW)
        let now = NOW
        for (const { value, passedMs } of steps) {
          now += passedMs
          const ask = distinctAsk('k', value, 600, 1000)
          if (judgeDistinct(state, ask, now).ok) commitDistinct(state, ask, now)
          const [older, newer] = [state.bits.subarray(0, 128), state.bits.subarray(128)]
          assert.equal(state.newerSet, countBits(newer))
          assert.equal(state.set, countBits(older.map((byte, index) => byte | newer[index]!)))
        }
      }),
    )
  })
})

function countBits(bytes: Uint8Array): number {
  return [...bytes].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
}

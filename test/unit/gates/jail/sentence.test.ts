import assert from 'node:assert/strict'
import fc from 'fast-check'
import { JITTER, sentenceMs } from '../../../../src/gates/jail/sentence'
import { DAY, MINUTE } from './fixtures'

const USUAL = { firstMs: 10 * MINUTE, longestMs: 7 * DAY }

describe('sentence', () => {
  it('doubles each time, up to the longest', () => {
    assert.deepEqual(
      [0, 1, 2, 9, 10, 11, 1000].map((before) => sentenceMs(before, USUAL, 0) / MINUTE),
      [10, 20, 40, 5120, 10_080, 10_080, 10_080],
    )
  })

  it('is spread by a tenth', () => {
    assert.equal(sentenceMs(0, USUAL, 0.5), 10.5 * MINUTE)
    assert.equal(sentenceMs(50, USUAL, 1), 7.7 * DAY)
  })

  it('is finite, never shorter than before, never beyond the longest and a tenth', () => {
    const sentencing = fc
      .tuple(fc.integer({ min: 1, max: DAY }), fc.integer({ min: 0, max: 365 * DAY }))
      .map(([firstMs, more]) => ({ firstMs, longestMs: firstMs + more }))
    fc.assert(
      fc.property(fc.nat(), sentencing, fc.double({ min: 0, max: 1, noNaN: true }), (before, given, random) => {
        const ms = sentenceMs(before, given, random)
        assert.ok(Number.isSafeInteger(ms) && ms >= given.firstMs)
        assert.ok(ms <= given.longestMs * (1 + JITTER) + 1)
        assert.ok(sentenceMs(before + 1, given, random) >= ms)
        const doubled = given.firstMs * 2 ** before
        if (doubled <= given.longestMs) assert.equal(sentenceMs(before, given, 0), doubled)
      }),
    )
  })
})

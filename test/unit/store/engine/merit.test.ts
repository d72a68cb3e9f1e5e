import assert from 'node:assert/strict'
import fc from 'fast-check'
import { commitMerit, emptyMerit, isMeritOver, judgeMerit, samplesLeft } from '../../../../src/store/engine/merit'
import type { MeritState } from '../../../../src/store/engine/state'
import { MOST_SAMPLES, type MeritAsk } from '../../../../src/store/store'
import { meritAsk } from '../../../contract/bench'

const NOW = 1_700_000_000_000
const DAY = 86_400_000

describe('a merit', () => {
  const stateOf = (ask: MeritAsk, samples: readonly number[], now = NOW): MeritState => {
    const state = emptyMerit(ask)
    for (const sample of samples) commitMerit(state, { ...ask, sample }, now)
    return state
  }

  it('fades as an exponential does, within a sixteenth of a half-life and a thousandth of a sample', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1000, max: 400 * DAY }),
        fc.integer({ min: 1, max: 1_000_000_000 }),
        fc.integer({ min: 0, max: 19 * 16 }),
        (halfLifeMs, samples, sixteenths) => {
          const state = { ...emptyMerit(meritAsk('k', DAY)), samples, lastAt: NOW }
          const left = samplesLeft(state, halfLifeMs, NOW + Math.floor((sixteenths * halfLifeMs) / 16))
          const exactly = (steps: number) => samples * 2 ** (-steps / 16)
          assert.ok(left <= exactly(sixteenths - 1) * 1.0001, `${left} is too many`)
          assert.ok(left >= exactly(sixteenths + 1) * 0.9999 - 1, `${left} is too few`)
        },
      ),
    )
  })

  it('loses nothing and keeps nothing longer for being asked often', () => {
    const ask = meritAsk('k', DAY, { halfLifeMs: 16_000, most: 1 })
    const state = stateOf(ask, [1])
    // Each sample puts it back to one whole, and none of them moves the steps.
    for (let at = NOW; at <= NOW + 15_900; at += 100) commitMerit(state, { ...ask, sample: 1 }, at)
    assert.equal(samplesLeft(state, 16_000, NOW + 15_900 + 16_000), 500)
  })

  it('is neutral after twenty half-lives, however many samples it held', () => {
    const ask = meritAsk('k', DAY, { halfLifeMs: 1000, most: MOST_SAMPLES })
    const state = { ...emptyMerit(ask), samples: MOST_SAMPLES * 1000, mean: -10_000, lastAt: NOW, expiresAt: NOW + DAY }
    const { count, mean } = judgeMerit(state, ask, NOW + 20_000)
    assert.deepEqual([count, mean], [0, 0])
  })

  it('weighs a sample against those that are left, not those that once were', () => {
    const ask = meritAsk('k', DAY, { halfLifeMs: 1000 })
    const state = stateOf(ask, [-1, -1, -1, -1])
    commitMerit(state, { ...ask, sample: 1 }, NOW + 2000)
    const { count, mean } = judgeMerit(state, ask, NOW + 2000)
    assert.deepEqual([count, mean], [2, 0])
  })

  it('takes a clock that was put back a little for too soon, and one that was put back a lot for none', () => {
    const ask = meritAsk('k', DAY, { apartMs: 1000, sample: -1 })
    const state = stateOf(ask, [1])
    assert.equal(commitMerit(state, ask, NOW - 999), false)
    assert.equal(commitMerit(state, ask, NOW - 1000), true)
    assert.deepEqual([state.lastAt, state.expiresAt], [NOW - 1000, NOW - 1000 + DAY])
  })

  it('does not fade, nor grow, while the clock is behind it', () => {
    const ask = meritAsk('k', DAY, { halfLifeMs: 1000 })
    assert.equal(judgeMerit(stateOf(ask, [1, 1]), ask, NOW - 50_000).count, 2)
  })

  it('begins anew when it is over, and when a clock far ahead has made it', () => {
    const ask = meritAsk('k', 1000)
    const state = stateOf(ask, [1])
    const over = [999, 1000, -1000, -1001].map((passedMs) => isMeritOver(state, ask, NOW + passedMs))
    assert.deepEqual(over, [false, true, false, true])
  })

  it('cuts samples off at −1 and 1', () => {
    const ask = meritAsk('k', DAY)
    assert.deepEqual([stateOf(ask, [7]).mean, stateOf(ask, [-7]).mean], [10_000, -10_000])
  })
})

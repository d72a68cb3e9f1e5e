import assert from 'node:assert/strict'
import fc from 'fast-check'
import { meritAsk } from '../../../../src/gates/reputation/merits'
import {
  BEARERS,
  type Bearer,
  LEAST_SAMPLES,
  NEUTRAL,
  reputationOf,
  reputationSignal,
} from '../../../../src/gates/reputation/reputation'
import type { KnownMerit } from '../../../../src/policy/decision'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import type { Verdict } from '../../../../src/store/store'
import { AT } from '../../telemetry/fixtures'
import { MEMORY } from '../limits/rules'

const merit = (name: Bearer, samples: number, mean: number): KnownMerit => ({ name, samples, mean })
const DAY_MS = 86_400_000

describe('reputation', () => {
  it('is neutral where nothing, or too little, is known', () => {
    assert.deepEqual(reputationOf([]), NEUTRAL)
    const { score, factor } = reputationOf([merit('client', LEAST_SAMPLES - 1, -1), merit('network', 9, 1)])
    assert.deepEqual([score, factor], [0, 1])
  })

  it('is the client’s own, the more samples the surer', () => {
    const scores = [10, 30, 100].map((samples) => reputationOf([merit('client', samples, 1)]).score)
    assert.deepEqual(scores, [0.5, 0.75, 0.91])
    assert.equal(reputationOf([merit('client', 100, 1)]).factor, 4)
    assert.equal(reputationOf([merit('client', 100, -1)]).factor, 0.25)
  })

  it('lets network and provider speak where the client itself is unknown, and less where it is known', () => {
    const around = [merit('network', 100, -1), merit('asn', 100, -1)]
    const stranger = reputationOf(around).score
    assert.ok(stranger < -0.4 && stranger > -0.8, String(stranger))
    assert.ok(reputationOf([merit('client', 100, 1), ...around]).score > 0.8)
  })

  it('never leaves its bounds, whatever is remembered', () => {
    const known = fc.array(
      fc.record({
        name: fc.constantFrom(...BEARERS),
        samples: fc.integer({ min: 0, max: 1_000_000 }),
        mean: fc.double({ min: -1, max: 1, noNaN: true }),
      }),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(known, (merits) => {
        const { score, factor } = reputationOf(merits)
        assert.ok(score >= -1 && score <= 1)
        assert.ok(factor >= 0.25 && factor <= 4)
        // Steps, so that limits can be worked out beforehand.
        const steps = Math.log2(factor) * 2
        assert.ok(Math.abs(steps - Math.round(steps)) < 1e-9)
      }),
    )
  })

  it('speaks against the bad and for the good in the score', () => {
    const signal = (mean: number) => reputationSignal(reputationOf([merit('client', 100, mean)]), 4)
    assert.deepEqual(signal(-1), { source: 'reputation', name: 'bad', weight: 3.64 })
    assert.deepEqual(signal(1), { source: 'reputation', name: 'good', weight: -3.64 })
    assert.equal(signal(0), undefined)
  })

  describe('with a store', () => {
    const scoreOf = (verdict: Verdict) => {
      const { count, mean } = verdict.answers[0]!
      return reputationOf([{ name: 'client', samples: count, mean: mean! }]).score
    }

    it('always recovers: good conduct outweighs any past within a bounded number of sessions', () => {
      const history = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { maxLength: 300 })
      fc.assert(
        fc.property(history, (samples) => {
          let now = AT
          const store = new MemoryStore({ clock: () => now })
          const learn = (sample?: number) => store.judge([meritAsk('client', '192.0.2.1', MEMORY, sample)])
          for (const sample of samples) learn(sample)
          for (let session = 0; session < 200; session++) {
            now += 60_000
            learn(1)
          }
          assert.ok(scoreOf(learn()) > 0.5, String(scoreOf(learn())))
        }),
        { numRuns: 50 },
      )
    })

    it('always decays to neutral when nothing happens', () => {
      const history = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 200 })
      fc.assert(
        fc.property(history, (samples) => {
          let now = AT
          const store = new MemoryStore({ clock: () => now })
          for (const sample of samples) store.judge([meritAsk('client', '192.0.2.1', MEMORY, sample)])
          // 100 samples at most, a half-life of 14 days: in 56 days fewer are left than say anything.
          now += 56 * DAY_MS
          assert.equal(scoreOf(store.judge([meritAsk('client', '192.0.2.1', MEMORY)])), 0)
        }),
        { numRuns: 50 },
      )
    })
  })
})

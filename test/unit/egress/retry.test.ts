import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Deferred, type RetryPlan, hintOf, nextAttempt } from '../../../src/egress/retry'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const PLAN: RetryPlan = {
  firstMs: 5 * MINUTE,
  factor: 2,
  longestMs: 4 * HOUR,
  jitter: 0.2,
  lifetimeMs: 24 * HOUR,
  bounceLifetimeMs: 4 * HOUR,
  stretch: 1,
}
const NOW = Date.UTC(2026, 10, 22)

describe('retry', () => {
  const deferred = (changes: Partial<Deferred> = {}): Deferred => ({
    attempts: 1,
    queuedAt: NOW,
    isBounce: false,
    hintMs: 0,
    ...changes,
  })
  const after = (changes: Partial<Deferred>, now = NOW, random = 0.5) => {
    const next = nextAttempt(PLAN, deferred(changes), now, () => random)
    return 'afterMs' in next ? next.afterMs : undefined
  }

  it('waits twice as long each time, up to the longest', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 50].map((attempts) => after({ attempts })! / MINUTE)
    assert.deepEqual(waits, [5, 10, 20, 40, 80, 160, 240, 240])
  })

  it('waits longer while its path goes slower, and never beyond the longest', () => {
    const waits = [1, 2, 5, 50].map((attempts) => {
      const next = nextAttempt({ ...PLAN, stretch: 4 }, deferred({ attempts }), NOW, () => 0.5)
      return 'afterMs' in next ? next.afterMs / MINUTE : undefined
    })
    assert.deepEqual(waits, [20, 40, 240, 240])
    const asked = nextAttempt({ ...PLAN, stretch: 4 }, deferred({ hintMs: 10 * MINUTE }), NOW, () => 0.5)
    assert.deepEqual(asked, { afterMs: 20 * MINUTE })
  })

  it('spreads waits to either side', () => {
    assert.deepEqual([after({}, NOW, 0), after({}, NOW, 1)], [4 * MINUTE, 6 * MINUTE])
  })

  it('heeds what the other side asks for, within bounds, and never comes sooner for it', () => {
    assert.equal(after({ hintMs: 30 * MINUTE }), 30 * MINUTE)
    assert.equal(after({ hintMs: MINUTE }), 5 * MINUTE)
    assert.equal(after({ hintMs: 90 * HOUR }), 6 * HOUR)
  })

  it('tries once more when the time ends, and then gives up', () => {
    assert.equal(after({ attempts: 9 }, NOW + 23 * HOUR), HOUR)
    assert.equal(after({ attempts: 9 }, NOW + 24 * HOUR), undefined)
    assert.equal(after({ attempts: 9, isBounce: true }, NOW + 3 * HOUR), HOUR)
    assert.equal(after({ attempts: 9, isBounce: true }, NOW + 4 * HOUR), undefined)
  })

  it('always tells a finite time of at least a second, or the end', () => {
    const times = fc.integer({ min: -400 * HOUR, max: 400 * HOUR })
    const anything = fc.record({
      attempts: fc.integer({ min: 1, max: 5000 }),
      queuedAt: times.map((ms) => NOW + ms),
      isBounce: fc.boolean(),
      hintMs: fc.oneof(fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER), fc.constant(0)),
    })
    fc.assert(
      fc.property(anything, fc.double({ min: 0, max: 0.999, noNaN: true }), (message, random) => {
        const next = nextAttempt(PLAN, message, NOW, () => random)
        if ('expired' in next) {
          assert.ok(NOW - message.queuedAt >= (message.isBounce ? 4 : 24) * HOUR)
          return
        }
        assert.ok(Number.isSafeInteger(next.afterMs) && next.afterMs >= 1000, String(next.afterMs))
        assert.ok(next.afterMs <= 6 * HOUR)
      }),
    )
  })
})

describe('hints of replies', () => {
  it('reads those that say how long', () => {
    const known: [string, number][] = [
      ['451 4.7.1 Greylisted, try again in 300 seconds', 5 * MINUTE],
      ['450 4.7.1 Too many messages from this sender, try again in 5 minutes (sluice sender 7KQ2XYZ)', 5 * MINUTE],
      ['451 4.7.1 Greylisting in action, please come back in 00:04:59', 299_000],
      [
        '450 4.2.0 <u@example.com>: Recipient address rejected: Greylisted, see http://postgrey.example/help; retry in 60 s',
        MINUTE,
      ],
      ['421 4.7.0 Try again later', 0],
      ['452 4.3.1 Insufficient system storage', 0],
      ['450 retry 3 times', 0],
      ['421 4.7.28 wait 2 hours before', 2 * HOUR],
    ]
    for (const [reply, ms] of known) assert.equal(hintOf(reply), ms, reply)
  })

  it('reads a reply that never ends in linear time', () => {
    for (const part of ['again ', 'retry in 9', 'wait 99999 ', 'in 00:']) {
      assert.equal(hintOf(part.repeat(100_000)), 0, part)
    }
  })
})

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NO_ORDERS } from '../../../src/egress/steering'
import { limitsUnder, stretchUnder } from '../../../src/egress/steering-limits'

const PROFILE = { connections: 10, messageRate: { limit: 100, windowMs: 1000 } }

describe('limits under orders', () => {
  it('are the profile where nothing is ordered', () => {
    const rate = { intervalMs: 10, burst: 1 }
    assert.deepEqual(limitsUnder(PROFILE, NO_ORDERS), { connections: 10, rate, suspendedUntil: undefined })
    const free = limitsUnder({ ...PROFILE, messageRate: undefined }, { ...NO_ORDERS, rateFactor: 0.5 })
    assert.deepEqual(free, { connections: 10, rate: undefined, suspendedUntil: undefined })
  })

  it('are a part of the profile, but no less than a connection and a message a minute', () => {
    const half = limitsUnder(PROFILE, { ...NO_ORDERS, rateFactor: 0.5, connectionsFactor: 0.25 })
    assert.deepEqual(half, { connections: 2, rate: { intervalMs: 20, burst: 1 }, suspendedUntil: undefined })
    const slow = { connections: 2, messageRate: { limit: 2, windowMs: 60_000 } }
    const least = limitsUnder(slow, { ...NO_ORDERS, rateFactor: 0.01, connectionsFactor: 0.01 })
    assert.deepEqual([least.connections, least.rate?.intervalMs], [1, 60_000])
    const slower = { connections: 1, messageRate: { limit: 10, windowMs: 3_600_000 } }
    assert.equal(limitsUnder(slower, { ...NO_ORDERS, rateFactor: 0.5 }).rate?.intervalMs, 360_000)
  })

  it('stretch the waits of a path by as much as it goes slower, up to twice', () => {
    const factors = [1, 0.8, 0.5, 0.01]
    assert.deepEqual(
      factors.map((rateFactor) => stretchUnder({ ...NO_ORDERS, rateFactor })),
      [1, 1.25, 2, 2],
    )
  })

  it('are what a person says, also above the profile', () => {
    const said = limitsUnder(PROFILE, { ...NO_ORDERS, connections: 20, messageRate: { limit: 500, windowMs: 1000 } })
    assert.deepEqual(said, { connections: 20, rate: { intervalMs: 2, burst: 1 }, suspendedUntil: undefined })
  })

  it('are no more than others say', () => {
    const most = { ...NO_ORDERS, mostConnections: 1, mostMessageRate: { limit: 6, windowMs: 60_000 } }
    assert.deepEqual(limitsUnder(PROFILE, { ...most, suspendedUntil: 5 }), {
      connections: 1,
      rate: { intervalMs: 10_000, burst: 1 },
      suspendedUntil: 5,
    })
    const milder = { ...NO_ORDERS, mostConnections: 50, mostMessageRate: { limit: 5000, windowMs: 1000 } }
    assert.deepEqual(limitsUnder(PROFILE, milder), limitsUnder(PROFILE, NO_ORDERS))
    assert.equal(limitsUnder({ connections: 3, messageRate: undefined }, most).rate?.intervalMs, 10_000)
  })

  it('stay within the profile and the least whatever the factors (property)', () => {
    const factor = fc.double({ min: 0.01, max: 1, noNaN: true })
    const figures = fc.record({
      connections: fc.integer({ min: 1, max: 500 }),
      messageRate: fc.record({
        limit: fc.integer({ min: 1, max: 1000 }),
        windowMs: fc.integer({ min: 1000, max: 7_200_000 }),
      }),
    })
    fc.assert(
      fc.property(figures, factor, factor, (profile, rateFactor, connectionsFactor) => {
        const { connections, rate } = limitsUnder(profile, { ...NO_ORDERS, rateFactor, connectionsFactor })
        const plainMs = profile.messageRate.windowMs / profile.messageRate.limit
        assert.ok(connections >= 1 && connections <= profile.connections && Number.isInteger(connections))
        assert.ok(rate!.intervalMs >= plainMs && rate!.intervalMs <= Math.max(plainMs, 60_000))
      }),
    )
  })
})

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { HiddenProvider, type HiddenLimit } from '../../bench/loop-provider'
import { live } from '../../bench/loop-scenarios'
import { STOCK_INTERVALS, StockSender } from '../../bench/loop-stock'
import { type Trace, sumOf } from '../../bench/loop-trace'
import { World } from '../../bench/loop-world'

const SECOND: HiddenLimit = { messagesAt: () => 10, windowMs: 1000, countsRefused: false, connections: Infinity }

/** So much at once for a provider that bears so many a second. */
function burst(perSecond: number, messages: number, countsRefused = false) {
  const limit = countsRefused
    ? { ...SECOND, messagesAt: () => perSecond * 60, windowMs: 60_000, countsRefused }
    : { ...SECOND, messagesAt: () => perSecond }
  return { limit, arrival: { kind: 'at once', messages }, right: { perSecond } } as const
}

function perMinute(count: number, messages: number) {
  const limit = { ...SECOND, messagesAt: () => count, windowMs: 60_000 }
  return { ...burst(count / 60, messages), limit }
}

function assertAllDelivered({ delaysMs, bounced, left }: Trace, messages: number): void {
  assert.deepEqual({ delivered: delaysMs.length, bounced, left }, { delivered: messages, bounced: 0, left: 0 })
}

/** Of the minutes from `from` on in which more than a few messages were tried, the share with less than 1 % refused. */
function quietShare({ attempts, refusals }: Trace, from: number): number {
  let [busy, quiet] = [0, 0]
  for (let minute = from; minute * 60 < attempts.length; minute++) {
    const tried = sumOf(attempts, minute * 60, minute * 60 + 60)
    if (tried < 30) continue
    busy++
    if (sumOf(refusals, minute * 60, minute * 60 + 60) < 0.01 * tried) quiet++
  }
  return quiet / busy
}

describe('the closed loop of the controller and a provider that hides its limit', () => {
  it('finds the limit and loses nothing', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 6, max: 20 }),
        fc.constantFrom(20, 50, 100, 200),
        fc.boolean(),
        fc.integer(),
        async (perSecond, latencyMs, countsRefused, seed) => {
          // Enough for several rounds up and down: by fewer minutes chance decides.
          const messages = 1500 * perSecond
          const { trace, steps } = await live(burst(perSecond, messages, countsRefused), 'sluice', { latencyMs, seed })
          assertAllDelivered(trace, messages)
          assert.equal(steps[0]?.step.kind, 'slower')
          const share = quietShare(trace, 6)
          assert.ok(share >= 2 / 3, `${share} of all minutes from the 6th on were quiet`)
        },
      ),
      { numRuns: 6 },
    )).timeout(60_000)

  it('finds a limit that is a five-hundredth of the profile, and loses nothing', async () => {
    const { trace, steps } = await live(perMinute(12, 600), 'sluice')
    assertAllDelivered(trace, 600)
    assert.ok(!steps.some(({ step }) => step.kind === 'suspend'))
    // Four times as long as it takes at best; a day is what mail waits at most.
    assert.ok(trace.lastDeliveryMs < 4 * 50 * 60_000, `${trace.lastDeliveryMs} ms`)
  })

  it('loses nothing where even the floor is too fast', async () => {
    const { trace, steps } = await live(perMinute(3, 100), 'sluice')
    assertAllDelivered(trace, 100)
    assert.ok(steps.some(({ step }) => step.kind === 'suspend'))
  })

  it('goes the same way for the same seed', async () => {
    const [one, other, another] = [
      await live(burst(10, 2000), 'sluice', { seed: 7 }),
      await live(burst(10, 2000), 'sluice', { seed: 7 }),
      await live(burst(10, 2000), 'sluice', { seed: 8 }),
    ]
    assert.deepEqual(one.trace, other.trace)
    assert.notDeepEqual(one.trace, another.trace)
  })

  it('is not throttled at all with the right limit set', async () => {
    const { trace } = await live(burst(10, 2000), 'right')
    assertAllDelivered(trace, 2000)
    assert.equal(sumOf(trace.refusals, 0, trace.refusals.length), 0)
    assert.equal(Math.round(trace.lastDeliveryMs / 1000), 200)
  })
})

describe('the provider of the closed loop', () => {
  it('takes so many in any window', () => {
    const provider = new HiddenProvider(SECOND)
    const taken = Array.from({ length: 40 }, (_, index) => provider.answer(index * 50).startsWith('250'))
    for (let from = 0; from + 20 <= 40; from++) {
      assert.equal(taken.slice(from, from + 20).filter(Boolean).length, 10)
    }
  })

  it('serves nobody who goes on too fast, where refused attempts count', () => {
    const provider = new HiddenProvider({ ...SECOND, countsRefused: true })
    const taken = Array.from({ length: 40 }, (_, index) => provider.answer(index * 50).startsWith('250'))
    assert.equal(taken.lastIndexOf(true), 9)
    assert.ok(provider.answer(5000).startsWith('250'))
  })

  it('takes so many at a time', () => {
    const provider = new HiddenProvider({ ...SECOND, connections: 1 })
    assert.match(provider.answer(0), /^250/)
    assert.match(provider.answer(10), /^421.*connections/)
    provider.leave()
    assert.match(provider.answer(20), /^250/)
  })
})

describe('stock Haraka of the closed loop', () => {
  it('waits as Haraka does without settings', () => {
    const { set_temp_fail_intervals: set } = createRequire(__filename)('haraka/outbound/config') as {
      set_temp_fail_intervals: (this: { cfg: { maxTempFailures: number; temp_fail_intervals?: number[] } }) => void
    }
    const fresh: ThisParameterType<typeof set> = { cfg: { maxTempFailures: 13 } }
    set.call(fresh)
    assert.deepEqual(fresh.cfg.temp_fail_intervals, STOCK_INTERVALS)
  })

  it('gives up at the 13th failure', async () => {
    const closed = { ...SECOND, connections: 0 }
    const world = new World({ limit: closed, arrival: { kind: 'at once', messages: 3 }, latencyMs: 100, seed: 1 })
    const trace = await world.live(new StockSender(world, { concurrency: 100, intervals: STOCK_INTERVALS }), 1e12)
    assert.deepEqual([trace.bounced, sumOf(trace.attempts, 0, trace.attempts.length)], [3, 39])
    const waited = STOCK_INTERVALS.reduce((sum, seconds) => sum + seconds, 0)
    assert.ok(Math.abs(world.time.elapsed / 1000 - waited) < 15)
  })
})

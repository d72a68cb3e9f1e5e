import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeState, encodeState } from '../../../../src/store/engine/codec'
import { judgeBatch } from '../../../../src/store/engine/judge'
import type { State } from '../../../../src/store/engine/state'
import { type Answer, MAX_AHEAD_MS, type RateAsk } from '../../../../src/store/store'
import { rateAsk } from '../../../contract/bench'

const NOW = 1_700_000_000_000

/** One bucket on a clock that the test sets. */
class Bucket {
  now = NOW
  bytes: Buffer | undefined

  ask(ask: RateAsk): Answer {
    const get = (): State | undefined => this.bytes && decodeState(this.bytes)
    return judgeBatch({ get, put: (_, state) => (this.bytes = encodeState(state)) }, [ask], this.now).answers[0]!
  }
}

const reservation = (intervalMs: number, burst: number, aheadMs: number) => rateAsk('k', intervalMs, burst, { aheadMs })

describe('rate', () => {
  let bucket: Bucket
  beforeEach(() => (bucket = new Bucket()))

  const starts = (ask: RateAsk, times: number) => Array.from({ length: times }, () => bucket.ask(ask).startsInMs)

  it('writes nothing more for a bucket of which nothing was reserved', () => {
    bucket.ask(rateAsk('k', 1000, 2))
    assert.equal(bucket.bytes!.length, 9)
    bucket.ask(reservation(1000, 2, 5000))
    assert.equal(bucket.bytes!.length, 15)
    bucket.now += 60_000
    bucket.ask(rateAsk('k', 1000, 2))
    assert.equal(bucket.bytes!.length, 15, 'the clock of a bucket with reservations is known from then on')
  })

  it('lets no more than the burst pass at once, whatever fraction of a millisecond the interval is', () => {
    for (const [intervalMs, burst] of [
      [1000 / 3, 5],
      [60_000 / 7, 3],
      [1000 / 7, 5],
      [0.1, 4],
    ] as const) {
      for (let index = 0; index < 200; index++) {
        const full = new Bucket()
        full.now = NOW + index * 7919
        const passed = Array.from({ length: burst + 3 }, () => full.ask(rateAsk('k', intervalMs, burst)).ok)
        const count = passed.filter(Boolean).length
        // The last of them may be due a hair later.
        assert.ok(
          count <= burst && count >= burst - 1,
          `${count} of ${burst}, one each ${intervalMs} ms, at ${full.now}`,
        )
      }
    }
  })

  it('keeps what is reserved as far ahead when the clock is put back, however far', () => {
    const ask = reservation(1000, 1, 10_000)
    assert.deepEqual(starts(ask, 4), [0, 1000, 2000, 3000])
    bucket.now -= 86_400_000
    assert.deepEqual(starts(ask, 2), [4000, 5000])
  })

  it('goes on in time after the clock was put back, though nothing is taken', () => {
    const ask = reservation(1000, 1, 3000)
    starts(ask, 4)
    bucket.now -= 7_200_000
    assert.equal(bucket.ask(ask).retryAfterMs, 1000)
    bucket.now += 999
    assert.equal(bucket.ask(ask).retryAfterMs, 1)
    bucket.now += 1
    assert.equal(bucket.ask(ask).startsInMs, 3000)
  })

  it('is not locked out by what other figures have reserved', () => {
    bucket.ask(reservation(MAX_AHEAD_MS, 5, MAX_AHEAD_MS))
    for (let slot = 0; slot < 5; slot++) bucket.ask(reservation(MAX_AHEAD_MS, 5, MAX_AHEAD_MS))
    assert.equal(bucket.ask(reservation(10, 1, 1000)).startsInMs, 0)
  })

  it('begins a reserved slot no sooner than its part of a millisecond', () => {
    assert.deepEqual(starts(reservation(2.5, 1, 100), 4), [0, 3, 5, 8])
  })

  it('lets never more begin than burst and rate, whatever the clock does but go ahead of time', () => {
    const step = fc.record({
      passMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3000 })),
      jumpMs: fc.oneof(
        { weight: 6, arbitrary: fc.constant(0) },
        fc.integer({ min: -5000, max: 5000 }),
        fc.integer({ min: -9_000_000, max: 9_000_000 }),
      ),
      aheadMs: fc.constantFrom(0, 400, 5000, MAX_AHEAD_MS),
      cost: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 5 })),
    })
    const scene = fc.record({
      intervalMs: fc.integer({ min: 1, max: 2000 }),
      burst: fc.integer({ min: 1, max: 5 }),
      steps: fc.array(step, { minLength: 2, maxLength: 60 }),
    })
    fc.assert(
      fc.property(scene, ({ intervalMs, burst, steps }) => {
        bucket = new Bucket()
        let real = 0
        let putForward = 0
        const slots: { beginsAt: number; cost: number; putForward: number }[] = []
        for (const { passMs, jumpMs, aheadMs, cost } of steps) {
          real += passMs
          bucket.now += passMs + jumpMs
          putForward += Math.max(0, jumpMs)
          const { ok, startsInMs } = bucket.ask({ ...reservation(intervalMs, burst, aheadMs), cost })
          if (ok) slots.push({ beginsAt: real + startsInMs!, cost, putForward })
        }
        // In the order they were taken: what the clock was put forward by in between is time that has passed, for the store.
        for (let first = 0; first < slots.length; first++) {
          let units = 0
          for (let last = first; last < slots.length; last++) {
            const [from, to] = [slots[first]!, slots[last]!]
            units += to.cost
            const storeMs = to.beginsAt - from.beginsAt + to.putForward - from.putForward
            assert.ok(units <= burst + storeMs / intervalMs + 1e-6, `${units} units in ${storeMs} ms`)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

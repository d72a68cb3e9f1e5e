import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Ask, MAX_AHEAD_MS, type RateAsk } from '../../../src/store/store'
import { RemoteStore } from '../../support/remote-store'
import { type Bench, meritAsk, rateAsk, windowAsk } from '../bench'

/** Some units that begin at some instant between the two, in milliseconds. */
interface Slot {
  readonly from: number
  readonly to: number
  readonly cost: number
}

export function describeReservations(bench: Bench): void {
  describe('reservations', () => {
    const intervalMs = () => (bench.virtual ? 1000 : 300)
    const reservation = (burst: number, slots: number, more: Partial<RateAsk> = {}) =>
      rateAsk(bench.key(), intervalMs(), burst, { aheadMs: slots * intervalMs(), ...more })

    it('take the slots that come, and none beyond how far they look ahead', async () => {
      const ask = reservation(2, 3)
      const slots = await reserve(bench, ask, 5)
      assert.deepEqual(
        slots.slice(0, 2).map(({ from, to }) => to - from < intervalMs()),
        [true, true],
      )
      assertRate(slots, intervalMs(), 2)
      const refused = await bench.ask(ask)
      assert.deepEqual([refused.ok, refused.startsInMs, refused.limit], [false, undefined, 2])
      assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= intervalMs(), String(refused.retryAfterMs))
      if (bench.virtual) {
        assert.deepEqual([refused.count, refused.retryAfterMs], [5, intervalMs()])
        await bench.pass(intervalMs() - 1)
        assert.equal((await bench.ask(ask)).retryAfterMs, 1)
        await bench.pass(1)
        assert.equal((await bench.ask(ask)).startsInMs, 3 * intervalMs())
      } else {
        await bench.pass(refused.retryAfterMs)
        assertRate([...slots, ...(await reserve(bench, ask, 1))], intervalMs(), 2)
      }
    })

    it('begin at once while there is room, and say so', async () => {
      const ask = reservation(2, 0)
      assert.deepEqual([(await bench.ask(ask)).startsInMs, (await bench.ask(ask)).startsInMs], [0, 0])
      const refused = await bench.ask(ask)
      assert.ok(!refused.ok && refused.retryAfterMs <= intervalMs())
      assert.equal('startsInMs' in (await bench.ask(rateAsk(bench.key(), 1000, 1))), false)
    })

    it('are respected by asks that do not look ahead, and by those that look less far', async () => {
      const ask = reservation(1, 9)
      await reserve(bench, ask, 6)
      const { key } = ask
      const plain = await bench.ask(rateAsk(key, intervalMs(), 1))
      assert.equal(plain.ok, false)
      const nearer = await bench.ask({ ...ask, aheadMs: 2 * intervalMs() })
      assert.equal(nearer.ok, false)
      assert.ok(plain.retryAfterMs - nearer.retryAfterMs >= 2 * intervalMs() - 1)
      if (bench.virtual) assert.deepEqual([plain.retryAfterMs, nearer.retryAfterMs], [6000, 4000])
      const further = await bench.ask(ask)
      assert.ok(further.ok && further.startsInMs! > 5 * intervalMs() - 200)
    })

    it('take nothing when their batch is refused, nor when a merit excuses them', async () => {
      const ask = reservation(1, 5)
      const full = windowAsk(bench.key(), [{ limit: 0, windowMs: 1000 }])
      const { committed, answers } = await bench.judge(ask, full)
      assert.deepEqual([committed, answers[0]!.startsInMs], [false, 0])
      const merit = meritAsk(bench.key(), 60_000, { leastSamples: 0, leastMean: 0 })
      const excused = await bench.judge(merit, { ...ask, unless: [0] }, rateAsk(bench.key(), 1000, 3))
      assert.deepEqual([excused.answers[1]!.excused, excused.answers[1]!.startsInMs], [0, 0])
      assert.equal(excused.answers[2]!.limit, 3)
      assert.equal((await bench.ask(ask)).startsInMs, 0)
    })

    it('begin with all their units at once, so never with more than the burst', async () => {
      const ask = reservation(3, 10)
      const slots = [...(await reserve(bench, ask, 3)), ...(await reserve(bench, { ...ask, cost: 3 }, 1))]
      assertRate([...slots, ...(await reserve(bench, ask, 1))], intervalMs(), 3)
      assert.equal((await bench.ask({ ...ask, cost: 4 })).retryAfterMs, Infinity)
    })

    it('are refused to a caller who looks further ahead than an hour, or into the past', async () => {
      const ask = reservation(1, 1)
      for (const aheadMs of [MAX_AHEAD_MS + 1, -1, NaN, Infinity]) {
        await assert.rejects(async () => bench.judge({ ...ask, aheadMs }), RangeError)
      }
      assert.equal((await bench.ask({ ...ask, aheadMs: MAX_AHEAD_MS })).startsInMs, 0)
    })

    it('hold for any sequence: no more begins than burst and rate allow', async () => {
      const step = fc.record({
        passMs: fc.oneof(
          { weight: 4, arbitrary: fc.constant(0) },
          fc.integer({ min: 1, max: bench.virtual ? 3000 : 20 }),
        ),
        aheadMs: fc.constantFrom(undefined, 0, 40, 500, 5000, MAX_AHEAD_MS),
        cost: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 6 })),
      })
      const scene = fc.record({
        intervalMs: fc.oneof(fc.integer({ min: 1, max: 700 }), fc.constantFrom(1000 / 3, 0.1, 60_000 / 7)),
        burst: fc.integer({ min: 1, max: 5 }),
        steps: fc.array(step, { minLength: 1, maxLength: bench.virtual ? 80 : 20 }),
      })
      await fc.assert(
        fc.asyncProperty(scene, async ({ intervalMs, burst, steps }) => {
          const key = bench.key()
          const slots: Slot[] = []
          for (const { passMs, aheadMs, cost } of steps) {
            if (passMs > 0) await bench.pass(passMs)
            const ask = rateAsk(key, intervalMs, burst, aheadMs === undefined ? { cost } : { cost, aheadMs })
            slots.push(...(await reserve(bench, ask, 1, false)))
          }
          assertRate(slots, intervalMs, burst)
        }),
        { numRuns: bench.virtual ? 150 : 6 },
      )
    })

    if (bench.harness.processSpec) {
      it('of several processes take distinct slots, one each interval, and leave none out', async () => {
        const remotes = await Promise.all([0, 1].map(() => RemoteStore.spawn(bench.harness.processSpec!())))
        try {
          const ask = rateAsk(bench.key(), 200, 1, { aheadMs: 60_000 })
          const judges = [bench.store, ...remotes]
          const each = Array.from({ length: 60 }, (_, index) => judges[index % judges.length]!)
          const slots = (await Promise.all(each.map((store) => take(store, ask)))).flat()
          assert.equal(slots.length, 60)
          assertRate(slots, 200, 1)
          const span = Math.max(...slots.map(({ from }) => from)) - Math.min(...slots.map(({ to }) => to))
          assert.ok(span <= 59 * 200, `60 slots lie over ${span} ms`)
        } finally {
          await Promise.all(remotes.map((remote) => remote.close()))
        }
      })
    }
  })
}

/** Asks so many times; all must have room, unless told otherwise. */
async function reserve(bench: Bench, ask: RateAsk, times: number, always = true): Promise<Slot[]> {
  const slots: Slot[] = []
  for (let time = 0; time < times; time++) slots.push(...(await take(bench.store, ask, () => bench.now())))
  if (always) assert.equal(slots.length, times)
  return slots
}

async function take(store: Pick<RemoteStore, 'judge'> | Bench['store'], ask: RateAsk, now = Date.now): Promise<Slot[]> {
  const from = now()
  const asks: readonly Ask[] = [ask]
  const { answers } = await store.judge(asks)
  const to = now()
  const { ok, startsInMs = 0, retryAfterMs } = answers[0]!
  assert.ok(ok ? startsInMs <= Math.ceil(ask.aheadMs ?? 0) : retryAfterMs > 0)
  return ok ? [{ from: from + startsInMs, to: to + startsInMs, cost: ask.cost }] : []
}

/** In no time more units begin than a full bucket and what has dripped into it since; slots are told to the millisecond. */
function assertRate(slots: readonly Slot[], intervalMs: number, burst: number): void {
  const roundedMs = Number.isInteger(intervalMs) ? 0 : 1
  const byTime = [...slots].sort((a, b) => a.from - b.from)
  for (let first = 0; first < byTime.length; first++) {
    let units = 0
    for (let last = first; last < byTime.length; last++) {
      units += byTime[last]!.cost
      const allowed = burst + (byTime[last]!.to - byTime[first]!.from + roundedMs) / intervalMs
      assert.ok(units <= allowed + 1e-6, `${units} units begin, at most ${allowed} are allowed`)
    }
  }
}

import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  MAX_ENTRIES,
  SLICES,
  type Tape,
  WRAP,
  append,
  countUnits,
  emptyTape,
  settleTime,
  timeUntilRoom,
  trim,
} from '../../../../src/store/engine/tape'
import { leastWait } from '../../../contract/intervals'

const NOW = 1_700_000_000_000

describe('tape', () => {
  it('counts what is within the window, whose start is outside of it', () => {
    const tape = taped(1000, 10, [0, 400, 999])
    assert.equal(countUnits(tape, NOW + 999), 3)
    assert.equal(countUnits(tape, NOW + 1000), 2)
    assert.equal(countUnits(tape, NOW + 1399), 2)
    assert.equal(countUnits(tape, NOW + 1400), 1)
    assert.equal(countUnits(tape, NOW + 5000), 0)
  })

  it('forgets what has left the window and keeps the totals right', () => {
    const tape = taped(1000, 10, [0, 400, 999])
    trim(tape, NOW + 1400)
    assert.deepEqual(tape.entries, [NOW + 999, 3])
    assert.equal(tape.base, 2)
    assert.equal(countUnits(tape, NOW + 1400), 1)
    trim(tape, NOW + 5000)
    assert.deepEqual(tape, emptyTape(1000))
  })

  it('keeps admissions of one millisecond in one entry', () => {
    const tape = taped(1000, 10, [5, 5, 5])
    assert.deepEqual(tape.entries, [NOW + 5, 3])
  })

  it('keeps single entries up to sixty, and groups above', () => {
    const times = Array.from({ length: 60 }, (_, index) => index)
    assert.equal(taped(60_000, SLICES, times).entries.length, 120)
    const grouped = taped(60_000, SLICES + 1, times)
    assert.deepEqual(grouped.entries, [NOW + 59, 60])
  })

  it('counts a grouped unit too long rather than too short', () => {
    const tape = taped(60_000, 1000, [0, 999])
    assert.equal(countUnits(tape, NOW + 60_000), 2)
    assert.equal(countUnits(tape, NOW + 60_999), 0)
  })

  it('says when room appears, for as many units as are asked', () => {
    const tape = taped(1000, 3, [0, 100, 500])
    const at = NOW + 600
    assert.equal(timeUntilRoom(tape, at, 3, 1), 400)
    assert.equal(timeUntilRoom(tape, at, 3, 2), 500)
    assert.equal(timeUntilRoom(tape, at, 3, 3), 900)
    assert.equal(timeUntilRoom(tape, at, 3, 4), Infinity)
    // A limit that was lowered: all but one must leave before there is room for one more.
    assert.equal(timeUntilRoom(tape, at, 2, 1), 500)
  })

  it('never runs backwards, and starts anew when the clock was put back by more than the window', () => {
    const tape = taped(1000, 10, [0])
    assert.equal(settleTime(tape, NOW - 1000), NOW)
    assert.equal(countUnits(tape, settleTime(tape, NOW - 1000)), 1)
    assert.equal(settleTime(tape, NOW - 1001), NOW - 1001)
    assert.deepEqual(tape, emptyTape(1000))
  })

  it('counts on where the total wraps', () => {
    const tape: Tape = { windowMs: 1000, base: WRAP - 2, entries: [] }
    append(tape, NOW, 10, 1)
    append(tape, NOW + 1, 10, 5)
    assert.deepEqual(tape.entries, [NOW, WRAP - 1, NOW + 1, 4])
    assert.equal(countUnits(tape, NOW + 1), 6)
    assert.equal(countUnits(tape, NOW + 1000), 5)
    assert.equal(timeUntilRoom(tape, NOW + 1, 10, 5), 999)
  })

  it('is bounded, exact for small limits, and at most a sixtieth of the window late for large ones', () => {
    const windowMs = fc.integer({ min: 1, max: 100_000 })
    const steps = fc.array(
      fc.record({ passMs: fc.integer({ min: 0, max: 500 }), cost: fc.integer({ min: 1, max: 40 }) }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), windowMs, steps, (limit, window, moves) => {
        const tape = emptyTape(window)
        const admitted: { at: number; cost: number }[] = []
        let now = NOW
        for (const { passMs, cost } of moves) {
          now += passMs
          const least = leastWait(admitted, now, limit, window, cost)
          if (countUnits(tape, now) + cost <= limit) {
            assert.equal(least, 0)
            trim(tape, now)
            append(tape, now, limit, cost)
            admitted.push({ at: now, cost })
          } else {
            const wait = timeUntilRoom(tape, now, limit, cost)
            assert.ok(
              wait >= least && wait <= least + (limit > SLICES ? window / SLICES : 0),
              `${wait}, at least ${least}`,
            )
          }
          assert.ok(tape.entries.length / 2 <= MAX_ENTRIES)
        }
      }),
    )
  })
})

/** A tape with one unit admitted at each time after {@link NOW}. */
function taped(windowMs: number, limit: number, times: number[]): Tape {
  const tape = emptyTape(windowMs)
  for (const time of times) append(tape, NOW + time, limit, 1)
  return tape
}

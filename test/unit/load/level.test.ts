import assert from 'node:assert/strict'
import { BOUNDED_LEVEL, KNOWN_LEVEL, LoadLevel, MOST_LEVEL } from '../../../src/load/level'

const TICK_MS = 50

describe('load level', () => {
  /** Feeds a pressure for some time; returns the level after each tick. */
  function feed(level: LoadLevel, clock: { at: number }, pressure: number, ms: number, bounded = 0): number[] {
    const seen: number[] = []
    for (let spent = 0; spent < ms; spent += TICK_MS) {
      clock.at += TICK_MS
      seen.push(level.update(pressure, clock.at, bounded))
    }
    return seen
  }

  const make = () => ({ level: new LoadLevel(), clock: { at: 1_000_000 } })

  it('stays at 0 below the threshold, for ever', () => {
    const { level, clock } = make()
    assert.ok(feed(level, clock, 0.99, 60_000).every((value) => value === 0))
  })

  it('rises at once: the first step with the first sample, all strangers within half a second', () => {
    const { level, clock } = make()
    const seen = feed(level, clock, 1.25, 500)
    assert.ok(seen[0]! >= 1)
    assert.equal(seen.find((value) => value >= KNOWN_LEVEL) !== undefined, true)
  })

  it('goes through the steps slowly when little is too much', () => {
    const { level, clock } = make()
    const seen = feed(level, clock, 1.05, 500)
    assert.ok(seen.some((value) => value > 1 && value < 2))
    assert.ok(seen.every((value, index) => index === 0 || value >= seen[index - 1]!))
    assert.ok(seen.at(-1)! < 2)
  })

  it('turns known clients away only after seconds of turning all strangers away', () => {
    const { level, clock } = make()
    feed(level, clock, 2, 1000)
    assert.ok(level.value >= KNOWN_LEVEL && level.value < KNOWN_LEVEL + 0.15, `${level.value}`)
    feed(level, clock, 2, 20_000)
    assert.equal(level.value, MOST_LEVEL)
  })

  it('lets known clients in again as soon as the pressure gives way, strangers later', () => {
    const { level, clock } = make()
    feed(level, clock, 2, 8000)
    assert.ok(level.value > KNOWN_LEVEL + 0.5)
    feed(level, clock, 0.9, 1000)
    assert.equal(level.value, KNOWN_LEVEL)
    feed(level, clock, 0.9, 10_000)
    assert.equal(level.value, KNOWN_LEVEL, 'between the thresholds it stays')
  })

  it('falls only after a second of calm, and is at 0 in a few', () => {
    const { level, clock } = make()
    feed(level, clock, 1.5, 300)
    const high = level.value
    feed(level, clock, 0.1, 950)
    assert.equal(level.value, Math.min(high, KNOWN_LEVEL))
    feed(level, clock, 0.1, 4000)
    assert.equal(level.value, 0)
  })

  it('begins to wait anew when the calm is broken', () => {
    const { level, clock } = make()
    feed(level, clock, 1.5, 200)
    const high = Math.min(level.value, KNOWN_LEVEL)
    for (let time = 0; time < 10; time++) {
      feed(level, clock, 0.1, 900)
      feed(level, clock, 0.9, 50)
    }
    assert.equal(level.value, high)
  })

  it('rises by what turning clients away does not relieve, and never so far that a known client is turned away', () => {
    const { level, clock } = make()
    const seen = feed(level, clock, 0.1, 3_600_000, 1.2)
    assert.ok(seen[0]! >= 1)
    assert.equal(level.value, BOUNDED_LEVEL)
    assert.ok(BOUNDED_LEVEL < KNOWN_LEVEL)
    feed(level, clock, 0.1, 5000, 0.1)
    assert.equal(level.value, 0)
  })

  it('rises as fast by it when something else is just too much as well', () => {
    const { level, clock } = make()
    feed(level, clock, 1, 500, 1.5)
    assert.ok(level.value >= BOUNDED_LEVEL && level.value < KNOWN_LEVEL + 0.1, `${level.value}`)
  })

  it('comes down to that bound when what drove it higher is over', () => {
    const { level, clock } = make()
    feed(level, clock, 2, 8000, 2)
    assert.ok(level.value > KNOWN_LEVEL + 0.5)
    feed(level, clock, 0.9, 2000, 2)
    assert.equal(level.value, KNOWN_LEVEL, 'between the thresholds it stays')
    feed(level, clock, 0.5, 1000, 2)
    assert.equal(level.value, BOUNDED_LEVEL)
    feed(level, clock, 0.5, 10_000, 0.9)
    assert.equal(level.value, BOUNDED_LEVEL, 'between the thresholds it stays')
  })

  it('takes a long sleep or a clock that went back for one step', () => {
    const { level } = make()
    level.update(1.01, 1000)
    assert.ok(level.update(1.01, 3_600_000) < 1.5)
    assert.ok(level.update(1.01, 0) < 1.5)
  })

  it('finds the share that must be shed when twice too much is offered', () => {
    // A server whose pressure is what is let in, of twice its threshold; strangers are nine tenths.
    const { level, clock } = make()
    const pressures: number[] = []
    for (let tick = 0; tick < 1200; tick++) {
      clock.at += TICK_MS
      const strangers = 1.8 * (1 - Math.min(1, Math.max(0, level.value - 2)))
      const known = 0.2 * (1 - Math.max(0, level.value - 3))
      pressures.push(strangers + known)
      level.update(strangers + known, clock.at)
    }
    const settled = pressures.slice(200)
    assert.ok(Math.max(...settled) < 1.3, `${Math.max(...settled)}`)
    assert.ok(settled.reduce((sum, pressure) => sum + pressure, 0) / settled.length > 0.7, 'the server is used')
  })
})

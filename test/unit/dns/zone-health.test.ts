import assert from 'node:assert/strict'
import { ZoneHealth } from '../../../src/dns/zone-health'

describe('health of a zone', () => {
  let now = 50_000_000
  let health: ZoneHealth
  beforeEach(() => (health = new ZoneHealth(() => now)))

  const count = (failed: number, answered: number) => {
    let tooMany = false
    for (let index = 0; index < answered; index++) tooMany = health.count(false) || tooMany
    for (let index = 0; index < failed; index++) tooMany = health.count(true) || tooMany
    return tooMany
  }

  it('is bad when half of at least ten questions of a minute have failed', () => {
    assert.equal(count(9, 0), false)
    assert.equal(count(1, 0), true)
  })

  it('is fine when fewer than half have', () => {
    assert.equal(count(9, 10), false)
    assert.equal(count(1, 0), true)
  })

  it('forgets what was longer ago than a minute', () => {
    count(9, 0)
    now += 70_000
    assert.equal(count(1, 0), false)
    now -= 3_600_000
    assert.equal(count(9, 0), false, 'a clock put back begins anew')
  })

  it('begins with a clean count when it is well again', () => {
    count(10, 0)
    health.become('failing', 'because')
    health.become('well', 'again')
    assert.equal(count(1, 0), false)
  })

  it('tells each change once', () => {
    assert.equal(health.become('well', ''), 'unknown')
    assert.equal(health.become('well', ''), undefined)
    assert.equal(health.become('dead', ''), 'well')
    assert.equal(health.become('lying', ''), 'dead')
  })

  it('is left alone longer each time, up to ten minutes', () => {
    const rests = Array.from({ length: 7 }, () => health.takeRestMs() / 1000)
    assert.deepEqual(rests, [30, 60, 120, 240, 480, 600, 600])
    health.become('well', '')
    assert.equal(health.takeRestMs(), 30_000)
  })
})

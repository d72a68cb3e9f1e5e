import assert from 'node:assert/strict'
import { Breaker } from '../../../../src/store/redis/breaker'

describe('Breaker', () => {
  let now: number
  let breaker: Breaker

  beforeEach(() => {
    now = 1_000_000
    breaker = new Breaker({ clock: () => now })
  })

  function open(): void {
    breaker.note(false)
    breaker.note(false)
    breaker.note(false)
  }

  it('opens at the third failure in a row, and says so once', () => {
    assert.equal(breaker.note(false), false)
    assert.equal(breaker.note(false), false)
    assert.equal(breaker.note(false), true)
    assert.equal(breaker.state, 'open')
    assert.equal(breaker.note(false), false)
  })

  it('counts only failures in a row', () => {
    breaker.note(false)
    breaker.note(false)
    breaker.note(true)
    breaker.note(false)
    breaker.note(false)
    assert.equal(breaker.state, 'closed')
  })

  it('lets one probe through a second after it opened, and each second after', () => {
    open()
    now += 999
    assert.equal(breaker.beginProbe(), false)
    now += 1
    assert.equal(breaker.beginProbe(), true)
    assert.equal(breaker.state, 'half-open')
    assert.equal(breaker.beginProbe(), false, 'one at a time')
    breaker.endProbe(false)
    assert.equal(breaker.state, 'open')
    now += 999
    assert.equal(breaker.beginProbe(), false)
    now += 1
    assert.equal(breaker.beginProbe(), true)
  })

  it('closes when the probe succeeds, and counts from nought again', () => {
    open()
    now += 1000
    breaker.beginProbe()
    breaker.endProbe(true)
    assert.equal(breaker.state, 'closed')
    breaker.note(false)
    breaker.note(false)
    assert.equal(breaker.state, 'closed')
  })

  it('is not moved by calls that were sent before it opened', () => {
    open()
    breaker.note(true)
    assert.equal(breaker.state, 'open')
    now += 1000
    breaker.beginProbe()
    breaker.note(true)
    breaker.note(false)
    assert.equal(breaker.state, 'half-open')
  })

  it('ignores the end of a probe that never began', () => {
    open()
    breaker.endProbe(true)
    assert.equal(breaker.state, 'open')
  })

  it('opens at once when tripped, and tells whether it was closed', () => {
    assert.equal(breaker.trip(), true)
    assert.equal(breaker.state, 'open')
    assert.equal(breaker.trip(), false)
  })

  it('does not put the probe off when the clock is put back', () => {
    open()
    now -= 3_600_000
    assert.equal(breaker.beginProbe(), true)
  })

  it('never probes while closed', () => {
    now += 10_000
    assert.equal(breaker.beginProbe(), false)
  })
})

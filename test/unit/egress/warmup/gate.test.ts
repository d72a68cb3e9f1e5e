import assert from 'node:assert/strict'
import { Gate } from '../../../../src/egress/warmup/gate'
import { FakeTimers } from '../fake-timers'

describe('gate', () => {
  let timers: FakeTimers
  let woken: string[]
  let gate: Gate
  beforeEach(() => {
    timers = new FakeTimers()
    woken = []
    gate = new Gate({ timers, wake: (path) => woken.push(path) })
  })

  it('is open until it is closed, and lets each that waits try once in its turn', async () => {
    assert.equal(gate.waitOf('a'), 0)
    gate.close('a', 1000)
    assert.deepEqual(
      ['b', 'c', 'a'].map((path) => gate.waitOf(path)),
      [1000, 1000, 1000],
    )
    await timers.pass(999)
    assert.deepEqual([woken, timers.pending], [[], 1])
    await timers.pass(1)
    assert.deepEqual(woken, ['a'])
    assert.equal(gate.waitOf('a'), 0, 'it is its turn')
    assert.ok(gate.waitOf('b') > 0, 'and of nobody else')
    gate.passed('a')
    assert.deepEqual(woken, ['a', 'b'])
    gate.close('b', 500)
    await timers.pass(500)
    assert.deepEqual(woken, ['a', 'b', 'b'], 'who got nothing is the first next time')
    gate.passed('b')
    gate.passed('c')
    assert.deepEqual(woken.slice(3), ['c'])
    assert.deepEqual([gate.closedForMs, gate.waitOf('z')], [0, 0], 'all had their turn')
  })

  it('goes on when one that was woken does not try', async () => {
    gate.close('a', 10)
    gate.waitOf('b')
    await timers.pass(10)
    assert.deepEqual(woken, ['a'])
    await timers.pass(2000)
    assert.deepEqual(woken, ['a', 'b'])
    await timers.pass(2000)
    assert.deepEqual([gate.closedForMs, timers.pending], [0, 0])
  })

  it('opens sooner when there is something sooner, and keeps nothing when it is stopped', async () => {
    gate.close('a', 100_000)
    gate.open()
    assert.deepEqual(woken, ['a'])
    gate.close('a', 100_000)
    gate.stop()
    assert.equal(timers.pending, 0)
  })
})

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { PutOff, type TimerQueue, isTimerQueue } from '../../../../src/haraka/outbound/put-off'

/** Haraka's own. */
interface RealQueue extends TimerQueue {
  add(id: string, ms: number, call: () => void): void
  drain(): void
  shutdown(): void
}
const haraka = createRequire(require.resolve('haraka/outbound'))
const { TimerQueue: Timers } = haraka('haraka-utils') as { TimerQueue: new (intervalMs: number) => RealQueue }

describe('messages that are put off', () => {
  let timers: RealQueue
  let fired: string[]
  beforeEach(() => {
    timers = new Timers(1_000_000)
    fired = []
    for (const number of [1, 2, 3]) {
      const name = `178584972500${number}_1785849726000_1_4711_aBcDe${number}_12_mx1`
      timers.add(name, 3_600_000 * number, () => fired.push(`aBcDe${number}`))
    }
  })
  afterEach(() => timers.shutdown())

  it('are taken out once, and Haraka does not try them any more', () => {
    const putOff = new PutOff(timers)
    assert.deepEqual(
      putOff.watch().map((message) => message.id),
      ['1785849725001_aBcDe1', '1785849725002_aBcDe2', '1785849725003_aBcDe3'],
    )
    const [, second] = putOff.watch()
    assert.deepEqual([second!.take(), second!.take()], [true, false])
    second!.leave()
    assert.deepEqual([putOff.count, putOff.watch().length], [2, 2])
    timers.drain()
    assert.deepEqual(fired, ['aBcDe1', 'aBcDe3'])
  })

  it('are not taken when their time comes meanwhile', () => {
    const [first] = new PutOff(timers).watch()
    timers.drain()
    assert.equal(first!.take(), false)
    assert.deepEqual(fired, ['aBcDe1', 'aBcDe2', 'aBcDe3'])
  })

  it('are as they were when they are left', () => {
    const before = timers.queue.map(({ cb }) => cb)
    for (const message of new PutOff(timers).watch()) message.leave()
    assert.deepEqual(
      timers.queue.map(({ cb }) => cb),
      before,
    )
  })

  it('are known by the shape of the queue that holds them', () => {
    assert.ok(isTimerQueue(timers))
    for (const other of [undefined, null, {}, { queue: {}, add: () => undefined }, { queue: [] }]) {
      assert.equal(isTimerQueue(other), false)
    }
  })
})

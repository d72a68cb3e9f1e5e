import assert from 'node:assert/strict'
import { Dispatcher } from '../../../src/egress/dispatcher'
import type { Waiting } from '../../../src/egress/fair-queue'
import type { PathLimits } from '../../../src/egress/path-dispatcher'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { FakeTimers } from './fake-timers'

describe('dispatcher', () => {
  let timers: FakeTimers
  let sent: { path: string; at: number; id: string; end: () => void }[]
  let dispatcher: Dispatcher<Waiting>
  const limits = new Map<string, PathLimits>()
  let count: number
  beforeEach(() => {
    timers = new FakeTimers()
    const store = new MemoryStore({ clock: () => timers.now() })
    sent = []
    count = 0
    limits.clear()
    dispatcher = new Dispatcher((path) => ({
      path,
      timers,
      limits: () => limits.get(path) ?? { connections: 10_000, rate: undefined },
      store: () => store,
      send: ({ item, end }) => sent.push({ path, at: timers.now(), id: item.id, end }),
      onFailure: (error) => assert.fail(String(error)),
    }))
  })
  const item = (): Waiting => ({ id: `m${count++}`, mailClass: 'system', tenant: 'a', dueAt: 0 })

  it('keeps nobody waiting for a slow provider', async () => {
    limits.set('slow', { connections: 1000, rate: { intervalMs: 50, burst: 1 } })
    for (let message = 0; message < 5000; message++) dispatcher.add('slow', item())
    for (let message = 0; message < 500; message++) dispatcher.add('fast', item())
    const start = timers.now()
    await timers.pass(10_000)
    const of = (path: string) => sent.filter((delivery) => delivery.path === path)
    assert.equal(of('slow').length, 201, '20 a second')
    assert.equal(of('fast').length, 500)
    assert.ok(of('fast').every(({ at }) => at === start))
    assert.deepEqual(dispatcher.loads(), [
      { path: 'slow', waiting: 4799, underWay: 201 },
      { path: 'fast', waiting: 0, underWay: 500 },
    ])
  })

  it('forgets paths that have nothing to do', async () => {
    limits.set('closed', { connections: 0, rate: undefined })
    const lost = item()
    dispatcher.add('closed', lost)
    for (let message = 0; message < 3; message++) dispatcher.add('open', item())
    await timers.pass(2000)
    assert.deepEqual(
      dispatcher.loads().map(({ path }) => path),
      ['closed', 'open'],
    )
    for (const { end } of sent) end()
    assert.equal(dispatcher.remove(lost.id), lost)
    await timers.pass(2000)
    assert.deepEqual(dispatcher.loads(), [])
    assert.equal(timers.pending, 0)
    dispatcher.add('open', item())
    await timers.pass(0)
    assert.equal(sent.length, 4)
  })

  it('takes no message twice, whatever the path, until it has gone', async () => {
    const message = item()
    limits.set('a', { connections: 0, rate: undefined })
    dispatcher.add('a', message)
    assert.equal(dispatcher.has(message.id), true)
    assert.throws(() => dispatcher.add('b', message), /waits already/)
    dispatcher.remove(message.id)
    assert.equal(dispatcher.remove(message.id), undefined)
    dispatcher.add('b', message)
    await timers.pass(0)
    assert.deepEqual([sent.length, dispatcher.has(message.id)], [1, false])
  })

  it('hands out all that waits when it closes', async () => {
    limits.set('a', { connections: 1, rate: undefined })
    for (let message = 0; message < 3; message++) dispatcher.add('a', item())
    await timers.pass(0)
    assert.deepEqual(
      dispatcher.close().map(({ id }) => id),
      ['m1', 'm2'],
    )
    sent[0]!.end()
    await timers.pass(5000)
    assert.equal(sent.length, 1)
  })
})

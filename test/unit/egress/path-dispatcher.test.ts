import assert from 'node:assert/strict'
import type { MailClass, Waiting } from '../../../src/egress/fair-queue'
import {
  type Grant,
  PathDispatcher,
  type PathDispatcherOptions,
  type PathLimits,
} from '../../../src/egress/path-dispatcher'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import type { Store } from '../../../src/store/store'
import { FakeTimers } from './fake-timers'

describe('path dispatcher', () => {
  let timers: FakeTimers
  let store: MemoryStore
  let sent: { at: number; id: string; end: () => void }[]
  let failures: unknown[]
  let count: number
  beforeEach(() => {
    timers = new FakeTimers()
    store = new MemoryStore({ clock: () => timers.now() })
    sent = []
    failures = []
    count = 0
  })

  function dispatcher(limits: Partial<PathLimits>, options: Partial<PathDispatcherOptions<Waiting>> = {}) {
    return new PathDispatcher<Waiting>({
      path: 'default|google',
      limits: () => ({ connections: 1000, rate: undefined, ...limits }),
      store: () => store,
      send: ({ item, end }: Grant<Waiting>) => sent.push({ at: timers.now(), id: item.id, end }),
      onFailure: (error) => failures.push(error),
      timers,
      clock: () => timers.now(),
      ...options,
    })
  }
  const item = (mailClass: MailClass = 'system', tenant = 'a'): Waiting => ({ id: `m${count++}`, mailClass, tenant })
  const add = (to: PathDispatcher<Waiting>, times: number) => {
    for (let time = 0; time < times; time++) to.add(item())
  }
  const held = async () => (await store.list('egress_place', 9))[0]?.counts[0]?.count ?? 0

  it('lets messages go at their rate, evenly, and the first at once', async () => {
    const path = dispatcher({ rate: { intervalMs: 50, burst: 1 } })
    add(path, 100)
    const start = timers.now()
    await timers.pass(1000)
    assert.equal(sent.length, 21)
    assert.deepEqual(
      sent.map(({ at }) => at - start),
      Array.from({ length: 21 }, (_, index) => index * 50),
    )
    await timers.pass(9000)
    assert.equal(sent.length, 100)
    assert.deepEqual([path.waiting, path.underWay], [0, 100])
  })

  it('has no more under way than the path bears, and goes on when one ends', async () => {
    const path = dispatcher({ connections: 2 })
    add(path, 5)
    await timers.pass(5000)
    assert.deepEqual(
      sent.map(({ id }) => id),
      ['m0', 'm1'],
    )
    sent[0]!.end()
    sent[0]!.end()
    await timers.pass(0)
    assert.equal(sent.length, 3, 'ended twice, freed once')
    assert.equal(await held(), 2)
    for (let ended = 1; ended < 5; ended++) {
      sent[ended]!.end()
      await timers.pass(0)
    }
    assert.deepEqual([sent.length, path.waiting, path.underWay, await held()], [5, 0, 0, 0])
  })

  it('shares rate and places exactly with other processes on the same store', async () => {
    const paths = Array.from({ length: 3 }, () => dispatcher({ connections: 4, rate: { intervalMs: 100, burst: 1 } }))
    for (const path of paths) add(path, 40)
    let most = 0
    for (let step = 0; step < 600; step++) {
      await timers.pass(10)
      most = Math.max(most, await held())
      // A delivery takes 150 ms.
      for (const delivery of sent.filter(({ at }) => timers.now() - at >= 150)) delivery.end()
    }
    const times = sent.map(({ at }) => at).sort((a, b) => a - b)
    assert.ok(most <= 4, `${most} places`)
    for (let index = 1; index < times.length; index++)
      assert.ok(times[index]! - times[index - 1]! >= 100, 'above the rate')
    assert.ok(sent.length >= 58, `${sent.length} of 60`)
  })

  it('asks for nothing while it is suspended, and wakes when that ends', async () => {
    let suspendedUntil: number | undefined = timers.now() + 300_000
    const path = dispatcher({}, { limits: () => ({ connections: 5, rate: undefined, suspendedUntil }) })
    add(path, 3)
    await timers.pass(299_999)
    assert.deepEqual([sent.length, path.waiting, await held(), timers.pending], [0, 3, 0, 1])
    await timers.pass(1)
    assert.equal(sent.length, 3)

    suspendedUntil = timers.now() + 60 * 86_400_000
    add(path, 2)
    await timers.pass(86_400_000)
    assert.equal(sent.length, 3)
    suspendedUntil = undefined
    path.pump()
    await timers.pass(0)
    assert.equal(sent.length, 5)
  })

  it('may be emptied and closed while it is suspended', async () => {
    let idle = 0
    const suspendedUntil = timers.now() + 300_000
    const limits = () => ({ connections: 5, rate: undefined, suspendedUntil })
    const path = dispatcher({}, { limits, onIdle: () => idle++ })
    add(path, 1)
    await timers.pass(1000)
    path.remove('m0')
    assert.deepEqual([idle, timers.pending], [1, 0])
    add(path, 1)
    assert.equal(path.close().length, 1)
    await timers.pass(400_000)
    assert.deepEqual([sent.length, timers.pending], [0, 0])
  })

  it('lets what has a slot go when it is suspended meanwhile, and nothing after it', async () => {
    let suspendedUntil = 0
    const limits = () => ({ connections: 50, rate: { intervalMs: 500, burst: 1 }, suspendedUntil })
    const path = dispatcher({}, { limits })
    add(path, 9)
    await timers.pass(0)
    suspendedUntil = timers.now() + 60_000
    path.pump()
    await timers.pass(59_999)
    assert.ok(sent.length <= 4, `${sent.length} sent`)
    await timers.pass(5000)
    assert.equal(sent.length, 9)
  })

  it('decides who goes when a slot begins, so that what is urgent need not wait for slots of others', async () => {
    const path = dispatcher({ rate: { intervalMs: 500, burst: 1 } })
    for (let news = 0; news < 5; news++) path.add(item('marketing'))
    await timers.pass(100)
    path.add({ id: 'code', mailClass: 'transactional', tenant: 'b' })
    await timers.pass(400)
    assert.deepEqual(
      sent.map(({ id }) => id),
      ['m0', 'code'],
    )
  })

  it('gives back slots and places of messages that are taken out', async () => {
    const path = dispatcher({ rate: { intervalMs: 100, burst: 1 } })
    add(path, 5)
    await timers.pass(0)
    for (const id of ['m1', 'm2', 'm3', 'm4']) assert.equal(path.remove(id)?.id, id)
    assert.equal(path.remove('m1'), undefined)
    await timers.pass(2000)
    assert.equal(sent.length, 1)
    sent[0]!.end()
    await timers.pass(0)
    assert.deepEqual([path.underWay, await held(), timers.pending], [0, 0, 0])
  })

  it('keeps the places of long deliveries, and loses those of a process that died', async () => {
    const path = dispatcher({ connections: 1 })
    add(path, 1)
    await timers.pass(50_000)
    await path.renew()
    await timers.pass(50_000)
    assert.equal(await held(), 1)
    // Nobody renews any more.
    const other = dispatcher({ connections: 1 })
    other.add({ id: 'other', mailClass: 'system', tenant: 'a' })
    await timers.pass(9000)
    assert.equal(sent.length, 1)
    await timers.pass(2000)
    assert.equal(sent.length, 2)
  })

  it('waits while the store fails, says so, and goes on', async () => {
    let broken = true
    const failing = {
      judge: (...asks: Parameters<Store['judge']>) =>
        broken ? Promise.reject(new Error('gone')) : store.judge(...asks),
      release: (leases: Parameters<Store['release']>[0]) => store.release(leases),
    } as unknown as Store
    const path = dispatcher({}, { store: () => failing })
    add(path, 3)
    await timers.pass(3500)
    assert.deepEqual([sent.length, path.waiting], [0, 3])
    assert.ok(failures.length >= 2 && failures.length <= 4, `${failures.length} failures`)
    broken = false
    await timers.pass(1000)
    assert.equal(sent.length, 3)
  })

  it('lets nothing go once it is closed, and hands out what waits', async () => {
    const path = dispatcher({ rate: { intervalMs: 100, burst: 1 } })
    add(path, 5)
    await timers.pass(0)
    assert.deepEqual(
      path.close().map(({ id }) => id),
      ['m1', 'm2', 'm3', 'm4'],
    )
    await timers.pass(5000)
    assert.equal(sent.length, 1)
    sent[0]!.end()
    await timers.pass(0)
    assert.equal(await held(), 0)
  })

  it('refuses to send the same message twice', () => {
    const path = dispatcher({ connections: 1 })
    const message = item()
    path.add(message)
    assert.throws(() => path.add(message), /waits already/)
  })
})

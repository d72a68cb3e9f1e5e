import assert from 'node:assert/strict'
import type { Waiting } from '../../../src/egress/fair-queue'
import { type Grant, PathDispatcher } from '../../../src/egress/path-dispatcher'
import { PLACE_TTL_MS } from '../../../src/egress/places'
import type { Store } from '../../../src/store/store'
import { DispatcherScene } from './dispatcher-scene'

describe('path dispatcher', () => {
  let timers: DispatcherScene['timers']
  let store: DispatcherScene['store']
  let sent: DispatcherScene['sent']
  let failures: DispatcherScene['failures']
  let dispatcher: DispatcherScene['dispatcher']
  let item: DispatcherScene['item']
  let add: DispatcherScene['add']
  let held: DispatcherScene['held']
  beforeEach(() => {
    ;({ timers, store, sent, failures, dispatcher, item, add, held } = new DispatcherScene())
  })

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

  it('says what keeps its messages', async () => {
    const limits = { connections: 2, suspendedUntil: timers.now() + 1000 }
    const path = dispatcher(limits, { limits: () => ({ rate: undefined, ...limits }) })
    assert.equal(path.hold, 'nothing')
    add(path, 3)
    assert.equal(path.hold, 'suspended')
    await timers.pass(2000)
    assert.deepEqual([path.hold, path.waiting], ['connections', 1])
    assert.deepEqual(path.classes, [{ mailClass: 'system', waiting: 1, oldestDueAt: 0 }])
    sent[0]!.end()
    await timers.pass(0)
    assert.deepEqual([path.hold, path.classes], ['nothing', []])

    const slow = dispatcher({ rate: { intervalMs: 600, burst: 1 } }, { path: 'default|slow' })
    add(slow, 9)
    await timers.pass(300)
    assert.equal(slow.hold, 'rate')
    for (const one of ['transactional', 'marketing'] as const) slow.add(item(one))
    assert.deepEqual(
      slow.classes.map(({ mailClass, waiting }) => `${mailClass} ${waiting}`),
      ['transactional 1', 'system 8', 'marketing 1'],
    )
  })

  it('says so when the store does not answer', async () => {
    const ill = { judge: () => Promise.reject(new Error('gone')), release: () => undefined } as unknown as Store
    const path = dispatcher({}, { store: () => ill })
    add(path, 1)
    await timers.pass(0)
    assert.deepEqual([path.hold, failures.length], ['store', 1])
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

  for (const [places, processes] of [
    [4, 2],
    [2, 3],
    [1, 2],
  ] as const) {
    it(`lets ${processes} processes have their share of ${places} places, whoever came first`, async () => {
      const started: number[] = []
      const paths = Array.from({ length: processes }, (_, index) =>
        dispatcher({ connections: places }, { send: ({ end }) => (started.push(index), timers.after(150, end)) }),
      )
      add(paths[0]!, 10_000)
      await timers.pass(5000)
      const alone = started.length
      assert.ok(alone >= (places * 5000) / 150 - 1, `${alone} while alone`)
      for (const path of paths.slice(1)) add(path, 10_000)
      await timers.pass(5000)
      started.length = 0
      await timers.pass(20_000)
      const full = (places * 20_000) / 150
      assert.ok(started.length >= full * 0.6, `${started.length} of ${full}`)
      for (let index = 0; index < processes; index++) {
        const own = started.filter((one) => one === index).length
        assert.ok(own >= (started.length / processes) * 0.6, `${own} of ${started.length} by process ${index}`)
      }
    })
  }

  it('gives nothing away to processes that want nothing', async () => {
    const [one, two] = [dispatcher({ connections: 4 }), dispatcher({ connections: 4 })]
    add(two, 2)
    await timers.pass(100)
    for (const { end } of sent.splice(0)) end()
    add(one, 10)
    await timers.pass(3000)
    assert.deepEqual([sent.length, await held()], [4, 4])
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

  describe('with connections that outlive deliveries', () => {
    /** Connections as a pool has them: each delivery takes an idle one or makes one, if it may. */
    class Pool {
      open = 0
      idle = 0
      most = 0
      made = 0
      readonly path: PathDispatcher<Waiting>
      constructor(connections: number) {
        const closeIdle = () => {
          if (this.idle === 0) return
          this.idle--
          timers.after(10, () => {
            this.open--
            this.path.reconcile()
          })
        }
        const view = { count: () => this.open, closeIdle }
        this.path = dispatcher({ connections }, { connections: view, send: (grant) => this.deliver(grant) })
      }

      private deliver(grant: Grant<Waiting>): void {
        if (this.idle > 0) this.idle--
        else if (this.path.mayConnect()) {
          this.open++
          this.made++
        } else return void timers.after(10, () => this.deliver(grant))
        this.most = Math.max(this.most, this.open)
        sent.push({ at: timers.now(), id: grant.item.id, end: grant.end })
        timers.after(50, () => {
          this.idle++
          grant.end()
          this.path.reconcile()
        })
      }
    }

    it('keeps their places, and asks for none as long as they last', async () => {
      const pool = new Pool(3)
      let asked = 0
      const judge = store.judge.bind(store)
      store.judge = (asks) => (asks.some(({ key }) => key.startsWith('egress_place')) && asked++, judge(asks))
      add(pool.path, 60)
      await timers.pass(1000 - 1)
      assert.deepEqual([sent.length, pool.most, pool.made, await held()], [60, 3, 3, 3])
      assert.ok(asked <= 4, `${asked} times`)
    })

    it('has no more of them than places, over all processes, and leaves them to who needs them', async () => {
      const pools = [new Pool(1), new Pool(1)] as const
      add(pools[0].path, 1000)
      await timers.pass(2000)
      add(pools[1].path, 1000)
      for (let step = 0; step < 2000; step++) {
        await timers.pass(10)
        assert.ok(pools[0].open + pools[1].open <= 1, 'one connection')
      }
      const own = pools.map(({ path }) => 1000 - path.waiting)
      assert.ok(own[1]! > 60, `${own.join(' and ')} went`)
    })

    it('gives places of idle ones to a process that has none', async () => {
      const pools = [new Pool(2), new Pool(2)] as const
      add(pools[0].path, 2)
      await timers.pass(100)
      assert.deepEqual([pools[0].idle, await held()], [2, 2])
      add(pools[1].path, 2)
      await timers.pass(5000)
      assert.equal(sent.length, 4)
    })
  })

  it('uses no slot late: a process that was held up makes no crowd', async () => {
    const path = dispatcher({ rate: { intervalMs: 20, burst: 1 } })
    add(path, 200)
    await timers.pass(500)
    const before = sent.length
    timers.holdUp(600)
    await timers.pass(1000)
    const times = sent.map(({ at }) => at)
    for (const at of times) {
      const within = times.filter((other) => other >= at && other < at + 1000).length
      assert.ok(within <= 53, `${within} within a second`)
    }
    assert.ok(sent.length - before >= 45, `${sent.length - before} afterwards`)
  })

  it('decides who goes when a slot begins, so that what is urgent need not wait for slots of others', async () => {
    const path = dispatcher({ rate: { intervalMs: 500, burst: 1 } })
    for (let news = 0; news < 5; news++) path.add(item('marketing'))
    await timers.pass(100)
    path.add({ id: 'code', mailClass: 'transactional', tenant: 'b', dueAt: 0 })
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
    await timers.pass(PLACE_TTL_MS - 5000)
    await path.renew()
    await timers.pass(PLACE_TTL_MS - 5000)
    assert.equal(await held(), 1)
    // Nobody renews any more.
    const other = dispatcher({ connections: 1 })
    other.add({ id: 'other', mailClass: 'system', tenant: 'a', dueAt: 0 })
    await timers.pass(4000)
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

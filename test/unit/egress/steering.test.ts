import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NO_ORDERS, Steering, type SteeringOptions } from '../../../src/egress/steering'
import { type Action, type Order, actionKey, concerns } from '../../../src/egress/steering-action'
import type { Mode } from '../../../src/policy/mode'
import { MemoryStore } from '../../../src/store/memory/memory-store'

const PATH = 'egress|default|google'
const MIN = 60_000

describe('steering', () => {
  let now: number
  let store: MemoryStore
  let changed: string[]
  beforeEach(async () => {
    now = 1_000_000
    store = new MemoryStore({ clock: () => now })
    changed = []
    await store.open()
  })

  /** As one process of several. */
  function steering(options: Partial<SteeringOptions> = {}): Steering {
    const made = new Steering({
      store: () => store,
      clock: () => now,
      ...options,
    })
    made.onChange((path) => changed.push(path))
    made.follow(store)
    return made
  }

  function order(more: Partial<Order> = {}): Order {
    return {
      path: PATH,
      kind: 'rate',
      values: { rateFactor: 0.5 },
      origin: 'controller',
      evidence: '3 of 20 answers were throttling',
      since: now,
      until: now + 10 * MIN,
      mode: 'enforce',
      ...more,
    }
  }

  it('says nothing of paths of which nothing was ordered, always the same', async () => {
    const one = steering()
    assert.equal(one.ordersOf(PATH), NO_ORDERS)
    await one.post(order())
    assert.equal(one.ordersOf('egress|default|yahoo'), NO_ORDERS)
    assert.equal(one.ordersOf('egress|default|googlemail'), NO_ORDERS)
  })

  it('tells every process, those too that come later, and calls back', async () => {
    const [one, other] = [steering(), steering()]
    const action = await one.post(order({ values: { rateFactor: 0.25, connectionsFactor: 0.5 } }))
    assert.deepEqual(changed, [PATH, PATH])
    for (const process of [one, other, steering()]) {
      assert.deepEqual(process.ordersOf(PATH), { ...NO_ORDERS, rateFactor: 0.25, connectionsFactor: 0.5 })
      assert.deepEqual(process.actions(), [action])
    }
    assert.match(action.id, /^[0-9A-Z]{7}$/)
    assert.equal(other.ordersOf(PATH), other.ordersOf(PATH), 'no new object for each message')
  })

  it('puts an action in the place of the one of its origin, kind and path', async () => {
    const one = steering()
    const first = await one.post(order())
    const second = await one.post(order({ values: { rateFactor: 0.9 } }))
    assert.notEqual(first.id, second.id)
    assert.deepEqual(one.actions(), [second])
    assert.equal(one.ordersOf(PATH).rateFactor, 0.9)
    assert.deepEqual(one.find({ origin: 'controller', kind: 'rate', path: PATH }), second)
    assert.equal(one.find({ origin: 'controller', kind: 'suspend', path: PATH }), undefined)
  })

  it('ends an action at its end, without being told', async () => {
    const one = steering()
    await one.post(order({ until: now + MIN }))
    await one.post(order({ kind: 'suspend', values: { suspended: true }, until: now + 2 * MIN }))
    assert.deepEqual(one.ordersOf(PATH), { ...NO_ORDERS, rateFactor: 0.5, suspendedUntil: now + 2 * MIN })
    now += MIN
    assert.deepEqual(one.ordersOf(PATH), { ...NO_ORDERS, suspendedUntil: now + MIN })
    now += MIN
    assert.deepEqual([one.ordersOf(PATH), one.actions()], [NO_ORDERS, []])
    assert.equal(one.find({ origin: 'controller', kind: 'suspend', path: PATH }), undefined)
  })

  it('takes the strictest of several', async () => {
    const one = steering()
    await one.post(order({ values: { rateFactor: 0.5, connectionsFactor: 0.2 } }))
    await one.post(order({ origin: 'breaker', values: { rateFactor: 0.3, connectionsFactor: 0.9 } }))
    await one.post(order({ kind: 'set', values: { connections: 3, messageRate: { limit: 6, windowMs: MIN } } }))
    assert.deepEqual(one.ordersOf(PATH), {
      ...NO_ORDERS,
      rateFactor: 0.3,
      connectionsFactor: 0.2,
      mostConnections: 3,
      mostMessageRate: { limit: 6, windowMs: MIN },
    })
  })

  it("lets a person's word on a figure win, also when it is milder, and on that figure alone", async () => {
    const one = steering()
    await one.post(order({ values: { rateFactor: 0.1, connectionsFactor: 0.1 } }))
    const rate = { limit: 5, windowMs: 1000 }
    await one.post(order({ origin: 'operator', kind: 'set', values: { messageRate: rate } }))
    assert.deepEqual(one.ordersOf(PATH), { ...NO_ORDERS, messageRate: rate, connectionsFactor: 0.1 })
    await one.post(order({ origin: 'operator', kind: 'connections', values: { connections: 2 } }))
    assert.deepEqual(one.ordersOf(PATH), { ...NO_ORDERS, messageRate: rate, connections: 2 })
  })

  it('heeds patterns, whole parts of a path only', async () => {
    const one = steering()
    await one.post(order({ origin: 'operator', path: 'egress|default|*', values: { rateFactor: 0.5 } }))
    assert.deepEqual(changed, ['egress|default|*'])
    assert.equal(one.ordersOf(PATH).rateFactor, 0.5)
    assert.equal(one.ordersOf('egress|default2|google').rateFactor, 1)
    await one.post(order({ origin: 'operator', path: 'egress|*', values: { rateFactor: 0.2 } }))
    assert.equal(one.ordersOf('egress|default2|google').rateFactor, 0.2)
    assert.deepEqual(
      [concerns('egress|default|*', PATH), concerns(PATH, PATH), concerns('egress|other|*', PATH)],
      [true, true, false],
    )
    await assert.rejects(one.post(order({ path: 'egress|de*' })), RangeError)
    await assert.rejects(one.post(order({ path: '*' })), RangeError)
  })

  it('shows what is in shadow, and does nothing by it', async () => {
    const one = steering()
    await one.post(order({ mode: 'shadow', kind: 'suspend', values: { suspended: true } }))
    assert.deepEqual([one.ordersOf(PATH), one.actions().length], [NO_ORDERS, 1])
  })

  it('applies what judges by itself in the mode of now only', async () => {
    let mode: Mode = { kind: 'enforce' }
    const one = steering({ mode: () => mode })
    await one.post(order())
    await one.post(order({ origin: 'operator', kind: 'connections', values: { connections: 2 } }))
    assert.deepEqual(one.ordersOf(PATH), { ...NO_ORDERS, rateFactor: 0.5, connections: 2 })
    mode = { kind: 'shadow' }
    assert.deepEqual(one.ordersOf(PATH), { ...NO_ORDERS, connections: 2 })
  })

  it('cancels by id, whoever ordered it', async () => {
    const [one, other] = [steering(), steering()]
    const action = await one.post(order())
    assert.deepEqual(await other.cancel(action.id.toLowerCase()), action)
    assert.equal(await other.cancel(action.id), undefined)
    assert.deepEqual([one.ordersOf(PATH), one.actions()], [NO_ORDERS, []])
    assert.deepEqual(changed, [PATH, PATH, PATH, PATH])
  })

  it('takes paths that fill a key', async () => {
    const path = `egress|default|${'x'.repeat(285)}`
    assert.equal(path.length, 300)
    const one = steering()
    const action = await one.post(order({ path, evidence: '"\\'.repeat(1000) }))
    assert.ok(actionKey(action).length <= 300)
    assert.equal(one.ordersOf(path).rateFactor, 0.5)
    assert.deepEqual([action.evidence.length, steering().actions()], [500, [action]])
    await assert.rejects(one.post(order({ path: path + 'x' })), RangeError)
  })

  it('refuses what cannot be ordered', async () => {
    const one = steering()
    const wrong: Partial<Order>[] = [
      { values: {} },
      { values: { rateFactor: 0 } },
      { values: { rateFactor: 1.1 } },
      { values: { connectionsFactor: Number.NaN } },
      { values: { connections: 0 } },
      { values: { connections: 1.5 } },
      { values: { messageRate: { limit: 59, windowMs: 3_600_000 } } },
      { until: Infinity },
      { until: now + 32 * 86_400_000 },
      { path: '' },
      { path: 'egress|default|gö' },
      { course: { suspensions: -1 } },
    ]
    for (const more of wrong) await assert.rejects(one.post(order(more)), RangeError, JSON.stringify(more))
    assert.deepEqual(one.actions(), [])
  })

  it('leaves alone what is no action, whatever stands on the board', async () => {
    const one = steering()
    const action = await one.post(order())
    const [entry] = await store.readBoard('egress_order|', 9)
    const text = entry!.text
    await store.post([
      { ...entry!, key: 'ban|192.0.2.1' },
      { ...entry!, key: 'egress_order|controller.rate|egress|default|yahoo' },
      ...['', 'null', '[]', '{}', text.replace('0.5', '7'), text.replace('"rate"', '"rant"')].map((bad, index) => ({
        ...entry!,
        key: `egress_order|controller.rate|egress|default|${index}`,
        text: bad,
      })),
    ])
    assert.deepEqual(one.actions(), [action])
    assert.deepEqual(changed, [PATH])
    // One that is written in another way takes the place of what was there all the same.
    await store.post([{ ...entry!, text: '{"newer":1}' }])
    assert.deepEqual([one.actions(), changed], [[], [PATH, PATH]])
  })

  it('reads a board that is told anew, and forgets what is not on it', async () => {
    const one = steering()
    const kept = await one.post(order())
    await one.post(order({ path: 'egress|default|yahoo' }))
    const entries = await store.readBoard(actionKey(kept), 9)
    changed.length = 0
    one.apply({ kind: 'all', entries })
    assert.deepEqual([changed.sort(), one.actions()], [[PATH, 'egress|default|yahoo'], [kept]])
    assert.equal(one.ordersOf('egress|default|yahoo'), NO_ORDERS)
  })

  it('stays bounded when actions end', async () => {
    const one = steering()
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 600; index++) {
        await one.post(order({ path: `egress|${round}|${index}`, until: now + MIN }))
      }
      now += MIN
    }
    const { live } = one as unknown as { live: Map<string, Action> }
    assert.ok(live.size <= 1200, `${live.size} kept`)
  })

  it('never says more than is ordered, nor less (property)', async () => {
    const factor = fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100)
    const anyOrder = fc.record({
      origin: fc.constantFrom('operator', 'controller', 'breaker'),
      kind: fc.constantFrom('rate', 'set'),
      path: fc.constantFrom(PATH, 'egress|default|*', 'egress|*'),
      rateFactor: factor,
      minutes: fc.integer({ min: 1, max: 9 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(anyOrder, { maxLength: 12 }), fc.integer({ max: 9, min: 0 }), async (orders, later) => {
        store = new MemoryStore({ clock: () => now })
        await store.open()
        const one = steering()
        const last = new Map<string, (typeof orders)[number]>()
        for (const { rateFactor, minutes, ...slot } of orders) {
          await one.post(order({ ...slot, values: { rateFactor }, until: now + minutes * MIN }))
          last.set(JSON.stringify(slot), { ...slot, rateFactor, minutes })
        }
        now += later * MIN
        const live = [...last.values()].filter(({ minutes }) => minutes > later)
        const people = live.filter(({ origin }) => origin === 'operator')
        const counting = people.length > 0 ? people : live
        assert.equal(one.ordersOf(PATH).rateFactor, Math.min(1, ...counting.map(({ rateFactor }) => rateFactor)))
      }),
    )
  })
})

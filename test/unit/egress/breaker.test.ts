import assert from 'node:assert/strict'
import { Breaker } from '../../../src/egress/breaker'
import type { ControllerPolicy } from '../../../src/egress/controller-policy'
import { NO_ORDERS, Steering } from '../../../src/egress/steering'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import type { Store } from '../../../src/store/store'

const PATH = 'egress|default|google'
const MIN = 60_000

describe('breaker of egress', () => {
  let now: number
  let store: Store
  let policy: Pick<ControllerPolicy, 'mode' | 'breaker'>
  let processes: { readonly breaker: Breaker; readonly steering: Steering }[]
  let failures: unknown[]
  /** Id of the action, and whether it holds. */
  let told: [string, boolean][]

  beforeEach(async () => {
    now = 1_700_000_000_000
    store = new MemoryStore({ clock: () => now })
    await store.open()
    failures = []
    told = []
    policy = {
      mode: { kind: 'enforce' },
      breaker: { times: 4, least: 500, factor: 0.5, longestMs: 60 * MIN },
    }
    processes = [join(), join()]
  })
  afterEach(() => assert.deepEqual(failures, []))

  function join() {
    const clock = () => now
    const steering = new Steering({ store: () => store, clock })
    steering.follow(store)
    const onFailure = (error: unknown) => failures.push(error)
    const onChange = ({ id }: { id: string }, holds: boolean) => told.push([id, holds])
    const options = { policy: () => policy, store: () => store, steering, onChange, onFailure, clock }
    return { steering, breaker: new Breaker(options) }
  }

  /** So many attempts a minute in each process, for so many minutes. */
  async function run(perMinute: number, minutes: number, of = processes): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      for (let attempt = 0; attempt < perMinute; attempt++) {
        now += MIN / perMinute
        for (const { breaker } of of) breaker.note(PATH)
        await Promise.all(of.map(({ breaker }) => breaker.settled()))
      }
    }
  }
  const orders = () => processes[0]!.steering.ordersOf(PATH)
  const HALF = { ...NO_ORDERS, rateFactor: 0.5, connectionsFactor: 0.5 }

  it('leaves alone what is as usual, and what it does not know', async () => {
    await run(200, 30)
    await run(20, 60)
    await run(60, 60)
    assert.deepEqual([orders(), processes[0]!.steering.actions()], [NO_ORDERS, []])
  })

  it('slows a path down whose volume jumps, over all processes together, and says in figures why', async () => {
    await run(20, 120)
    // One process is gone, and the other has ten times as much.
    const [left] = processes
    await run(200, 6, [left!])
    assert.deepEqual(orders(), HALF)
    const [action] = processes[1]!.steering.actions()
    assert.match(action!.evidence, /^\d{3,4} attempts in 5 min, more than 4 times the usual (1[5-9]\d|20\d)$/)
    assert.deepEqual([action!.origin, action!.mode], ['breaker', 'enforce'])
    assert.equal(action!.until - action!.since, 10 * MIN)
    assert.deepEqual(told, [[action!.id, true]])
  })

  it('does nothing when one process takes over what the other had: the path sends as ever', async () => {
    await run(100, 90)
    await run(200, 20, [processes[0]!])
    assert.deepEqual(orders(), NO_ORDERS)
  })

  it('goes on while it lasts, and ends when it is over', async () => {
    await run(20, 90)
    await run(200, 20)
    assert.deepEqual(orders(), HALF)
    const { since, until } = processes[0]!.steering.actions()[0]!
    assert.ok(until > now && until - since > 10 * MIN, 'renewed')
    await run(20, 8)
    assert.deepEqual(told.at(-1), [told.at(-2)?.[0], false])
    assert.equal(told.filter(([, holds]) => !holds).length, 1, 'told once, by whoever did it')
    assert.deepEqual([orders(), processes[0]!.steering.actions()], [NO_ORDERS, []])
  })

  it('gives way after the longest time, and does not begin again until the path was as usual', async () => {
    await run(20, 90)
    await run(200, 58)
    assert.deepEqual(orders(), HALF)
    await run(200, 20)
    assert.deepEqual(orders(), NO_ORDERS)
    await run(20, 10)
    await run(300, 6)
    assert.deepEqual(orders(), HALF)
  })

  it('does not begin again when a person has cancelled it', async () => {
    await run(20, 90)
    await run(200, 10)
    await processes[0]!.steering.cancel(processes[0]!.steering.actions()[0]!.id)
    await run(200, 10)
    assert.deepEqual(orders(), NO_ORDERS)
  })

  it('says in shadow what it would do; off or without figures it does not even count', async () => {
    await run(20, 90)
    policy = { ...policy, mode: { kind: 'shadow' } }
    await run(200, 6)
    assert.deepEqual([orders(), processes[0]!.steering.actions()[0]?.mode], [NO_ORDERS, 'shadow'])
    for (const silent of [{ mode: { kind: 'off' } }, { breaker: undefined }] as const) {
      policy = { ...policy, ...silent }
      const judge = store.judge.bind(store)
      store.judge = () => assert.fail('asked')
      await run(2, 3)
      store.judge = judge
    }
  })

  it('counts what it could not tell when the store is back', async () => {
    await run(20, 90)
    const judge = store.judge.bind(store)
    store.judge = () => Promise.reject(new Error('gone'))
    await run(200, 3)
    assert.ok(failures.length >= 4)
    failures = []
    store.judge = judge
    await run(20, 2)
    assert.deepEqual(orders(), HALF)
  })
})

import assert from 'node:assert/strict'
import { NO_ORDERS } from '../../../src/egress/steering'
import type { Store } from '../../../src/store/store'
import { ControllerScene, MIN, PATH, POLICY } from './controller-scene'

/** Halves from 100 % to 0.1 %. */
const TO_FLOOR = 10

describe('controller', () => {
  let scene: ControllerScene
  beforeEach(async () => {
    scene = await ControllerScene.of(1)
  })
  afterEach(() => assert.deepEqual(scene.failures, []))
  const kinds = () => scene.steps.map(({ step }) => step.kind)

  it('leaves a path alone that does well', async () => {
    await scene.note('delivered', 1000)
    assert.deepEqual([scene.orders, scene.steps], [NO_ORDERS, []])
  })

  it('halves rate and connections on throttling answers, and says in figures why', async () => {
    await scene.note('delivered', 38)
    await scene.note('throttled', 2)
    assert.equal(scene.steps.length, 0)
    await scene.note('throttled', 1, 100, '4.7.28 Our system has\r\ndetected an unusual rate')
    assert.deepEqual(scene.orders, { ...NO_ORDERS, rateFactor: 0.5, connectionsFactor: 0.5 })
    const [action] = scene.processes[0]!.steering.actions()
    assert.equal(
      action!.evidence,
      '3 of 41 answers in 4 s were throttling (7.3 %), last "421 4.7.28 Our system has detected an unusual rate"; speed 100 % → 50 %',
    )
    assert.deepEqual(
      [action!.origin, action!.kind, action!.mode, action!.until - action!.since],
      ['controller', 'rate', 'enforce', POLICY.keepMs],
    )
    assert.deepEqual(scene.steps[0]!.actions, [action])
  })

  it('does so when soft bounces rise, above a least volume', async () => {
    await scene.note('delivered', 17)
    await scene.note('deferred', 1)
    await scene.note('unreachable', 1)
    assert.equal(scene.steps.length, 0, '11 % of 19 attempts')
    await scene.note('delivered', 1)
    assert.equal(scene.factor, 0.5)
    assert.match(
      scene.steps[0]!.step.evidence,
      /^2 of 20 attempts in 2 s failed for now \(10 %: 0 throttled, 1 put off, 1 without an answer\), last "421 4\.7\.0 later"; speed/,
    )
  })

  it('never counts 5xx about single recipients against a path', async () => {
    await scene.note('bounced', 500)
    await scene.note('deferred', 2)
    assert.deepEqual([scene.orders, scene.steps], [NO_ORDERS, []])
  })

  it('counts nothing that comes in the cooldown after a step: it answers what was sent before', async () => {
    await scene.note('throttled', 3)
    await scene.note('throttled', 599)
    assert.equal(scene.factor, 0.5)
    scene.cool()
    await scene.note('throttled', 2)
    assert.equal(scene.factor, 0.5)
    await scene.note('throttled', 1)
    assert.equal(scene.factor, 0.25)
  })

  it('counts no timeout of an attempt that began before the step', async () => {
    const begunAt = scene.now
    await scene.note('unreachable', 10)
    scene.now = scene.orders.suspendedUntil!
    const { controller } = scene.processes[0]!
    for (let time = 0; time < 9; time++) controller.note(PATH, { kind: 'unreachable', at: scene.now, begunAt })
    await controller.settled()
    assert.deepEqual([scene.suspended, scene.steps.length], [false, 1])
    for (let time = 0; time < 3; time++) {
      controller.note(PATH, { kind: 'unreachable', at: scene.now, begunAt: scene.now - 1 })
    }
    await controller.settled()
    assert.ok(scene.suspended)
  })

  it('goes down to the floor, and suspends the path when it is throttled there', async () => {
    for (let round = 0; round < TO_FLOOR; round++) {
      await scene.note('throttled', 3)
      scene.cool()
    }
    assert.deepEqual([scene.factor, scene.suspended], [0.001, false])
    await scene.note('throttled', 3)
    assert.deepEqual(kinds(), [...Array.from({ length: TO_FLOOR }, () => 'slower'), 'suspend'])
    assert.equal(scene.orders.suspendedUntil, scene.now + 5 * MIN)
    assert.match(scene.steps.at(-1)!.step.evidence, /^3 of 3 .*, at the least speed; suspended for 5 min$/)
  })

  it('suspends at once when nearly all attempts fail, for longer each time, then tries a few messages', async () => {
    const lengths: number[] = []
    for (let round = 0; round < 6; round++) {
      await scene.note('unreachable', round === 0 ? 10 : 3)
      assert.ok(scene.suspended)
      lengths.push((scene.orders.suspendedUntil! - scene.now) / MIN)
      await scene.note('delivered', 20)
      assert.equal(scene.steps.length, round + 1, 'what comes in while it is suspended does not count')
      scene.now = scene.orders.suspendedUntil!
      assert.deepEqual(
        [scene.orders.mostConnections, scene.orders.mostMessageRate, scene.suspended],
        [1, { limit: 6, windowMs: MIN }, false],
      )
    }
    assert.deepEqual(lengths, [5, 10, 20, 40, 60, 60])
    await scene.note('delivered', 2)
    assert.equal(scene.orders.mostConnections, 1)
    await scene.note('delivered', 1)
    assert.deepEqual(scene.orders, { ...NO_ORDERS, rateFactor: 0.5, connectionsFactor: 0.5 })
    assert.match(scene.steps.at(-1)!.step.evidence, /^trial after suspension: 3 delivered, 0 of 3 not; speed 50 %$/)
  })

  it('remembers suspensions until the path has recovered', async () => {
    await scene.note('unreachable', 10)
    scene.now = scene.orders.suspendedUntil!
    await scene.note('delivered', 3)
    scene.cool()
    await scene.note('unreachable', 10)
    assert.equal(scene.orders.suspendedUntil, scene.now + 10 * MIN)
    scene.now = scene.orders.suspendedUntil!
    await scene.note('delivered', 3)
    await scene.note('delivered', 60, MIN)
    assert.deepEqual(scene.orders, NO_ORDERS)
    scene.now += POLICY.windowMs
    await scene.note('unreachable', 10)
    assert.equal(scene.orders.suspendedUntil, scene.now + 5 * MIN)
  })

  it('recovers slowly, by steps, while it is in use, and takes its action off at full speed', async () => {
    await scene.note('throttled', 3)
    const factors = new Set<number>()
    for (let minute = 0; minute < 30; minute++) {
      await scene.note('delivered', 1, MIN)
      factors.add(scene.factor)
    }
    assert.deepEqual([...factors], [0.5, 0.6, 0.7, 0.8, 0.9, 1])
    assert.deepEqual(scene.processes[0]!.steering.actions(), [])
    const last = scene.steps.at(-1)!
    assert.deepEqual([last.step.kind, last.actions], ['faster', []])
    assert.match(last.step.evidence, /^\d delivered in [\d.]+ min, none throttled, 0 put off .*; speed 90 % → 100 %$/)
  })

  it('does not recover while any answer is throttling, or half as many as slow it down fail', async () => {
    await scene.note('throttled', 3)
    for (let round = 0; round < 10; round++) {
      await scene.note('delivered', 159, 1000)
      await scene.note('throttled', 1, 1000)
    }
    assert.deepEqual([scene.factor, kinds()], [0.5, ['slower']])
    for (let round = 0; round < 100; round++) {
      await scene.note('delivered', 13, 1000)
      await scene.note('deferred', 1, 1000)
    }
    assert.deepEqual([scene.factor, kinds()], [0.5, ['slower']])
    await scene.note('delivered', 600, 1000)
    assert.equal(scene.factor, 0.7)
  })

  it('keeps a path slowed down that is in use and does neither well nor badly', async () => {
    await scene.note('throttled', 3)
    for (let minute = 0; minute < 400; minute++) await scene.note('bounced', 1, MIN)
    assert.equal(scene.factor, 0.5)
    assert.deepEqual(new Set(kinds()), new Set(['slower', 'hold']))
  })

  it('lets a path go that nobody uses, when its action ends', async () => {
    await scene.note('throttled', 3)
    scene.now += POLICY.keepMs
    assert.deepEqual(scene.orders, NO_ORDERS)
    await scene.note('throttled', 2)
    assert.deepEqual(scene.orders, NO_ORDERS)
  })

  it('begins anew when a person cancels its action', async () => {
    await scene.note('throttled', 3)
    scene.cool()
    await scene.note('throttled', 2)
    await scene.processes[0]!.steering.cancel(scene.steps[0]!.actions[0]!.id)
    await scene.note('throttled', 1)
    assert.deepEqual(scene.orders, NO_ORDERS)
    await scene.note('throttled', 2)
    assert.equal(scene.factor, 0.5)
  })

  it('tries a path as soon as a person lifts its suspension', async () => {
    await scene.note('unreachable', 10)
    const desk = scene.processes[0]!.steering.desk()
    await desk.withdraw(await desk.suspensions(PATH))
    assert.deepEqual([scene.suspended, scene.orders.mostConnections], [false, 1])
    scene.cool()
    await scene.note('delivered', 3)
    assert.equal(scene.factor, 0.5)
  })

  it('says in shadow what it would do, and does nothing', async () => {
    scene.policy = { ...POLICY, mode: { kind: 'shadow' } }
    for (let round = 0; round <= TO_FLOOR; round++) {
      await scene.note('throttled', 3)
      scene.cool()
    }
    assert.deepEqual(scene.orders, NO_ORDERS)
    const actions = scene.processes[0]!.steering.actions()
    assert.deepEqual(
      actions.map(({ kind, mode }) => [kind, mode]),
      [
        ['suspend', 'shadow'],
        ['rate', 'shadow'],
      ],
    )
    assert.equal(scene.steps.length, TO_FLOOR + 1)

    scene.policy = POLICY
    await scene.note('throttled', 3)
    assert.equal(scene.factor, 0.5, 'what shadow came to led nowhere, and is no beginning')
  })

  it('does nothing when it is off', async () => {
    scene.policy = { ...POLICY, mode: { kind: 'off' } }
    await scene.note('throttled', 50)
    assert.deepEqual([scene.steps, scene.processes[0]!.controller.size], [[], 0])
  })

  it('judges each path by itself, and watches a bounded number', async () => {
    const { controller } = scene.processes[0]!
    for (let index = 0; index < 10_500; index++) {
      controller.note(`egress|default|${index}`, { kind: 'throttled', at: scene.now })
    }
    await controller.settled()
    assert.deepEqual([scene.steps, controller.size], [[], 10_000])
  })

  it('steps from what the board says now, not from what it said when it began', async () => {
    await scene.note('throttled', 3)
    scene.cool()
    await scene.note('throttled', 2)
    const { steering } = scene.processes[0]!
    // Somebody cancels while the right to the step is on its way.
    const judge = scene.store.judge.bind(scene.store)
    scene.store.judge = async (asks) => {
      await steering.cancel(scene.steps[0]!.actions[0]!.id)
      return judge(asks)
    }
    await scene.note('throttled', 1)
    assert.deepEqual([scene.orders, scene.steps.length], [NO_ORDERS, 1])
  })

  it('leaves paths as they are while the store fails or is out of reach, and says so', async () => {
    let answer: () => ReturnType<Store['judge']> = () => Promise.reject(new Error('gone'))
    scene.store.judge = () => answer()
    await scene.note('throttled', 23)
    assert.equal(scene.failures.length, 1, 'not for each answer')
    await scene.note('throttled', 50)
    assert.equal(scene.failures.length, 2)
    scene.failures.length = 0
    answer = () => ({ committed: true, answers: [], degraded: true })
    await scene.note('throttled', 10)
    assert.deepEqual([scene.orders, scene.steps], [NO_ORDERS, []])
  })
})

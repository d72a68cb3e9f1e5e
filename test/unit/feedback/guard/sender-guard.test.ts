import assert from 'node:assert/strict'
import { SteeringDesk } from '../../../../src/egress/steering-desk'
import { Classifier } from '../../../../src/feedback/classifier'
import { release } from '../../../../src/feedback/release'
import { StoreError } from '../../../../src/store/store'
import { FULL, GUARD, GuardScene, HOUR, answerOf, many, said } from './guard-scene'

const ANNS = 'sender|account|ann@example.com'
const TENANT = 'sender|tenant|acme'
const SPRING = 'sender|campaign|acme/spring'
const GONE = answerOf()

describe('guard of senders', () => {
  let scene: GuardScene
  beforeEach(async () => (scene = await GuardScene.of(2)))
  afterEach(() => assert.deepEqual(scene.failures, []))

  async function letGo(leaveAloneMs?: number): Promise<void> {
    const desk = new SteeringDesk(scene.store, () => scene.now)
    const options = { clock: () => scene.now, ...(leaveAloneMs === undefined ? {} : { leaveAloneMs }) }
    await release(scene.store, desk, new Classifier([]), await desk.list(), options)
  }

  it('leaves alone who has few recipients, and whose share is not above the threshold', async () => {
    await scene.hear(many(49, 'delivered'), many(50, 'bounced', GONE))
    assert.deepEqual(scene.told, [])
    scene = await GuardScene.of(2)
    await scene.hear(many(95, 'delivered'), many(5, 'bounced', GONE))
    assert.deepEqual(scene.told, [])
  })

  it('slows a sender down, over all processes together and once, and says in figures why', async () => {
    await scene.hear(many(110, 'delivered'), many(10, 'bounced', GONE))
    assert.deepEqual(scene.told, [`slow ${ANNS}`])
    const [{ action, evidence, fault }] = scene.steps as [(typeof scene.steps)[0]]
    assert.equal(evidence, '10 of 120 recipients bounced (8.3 %) in 24 h, most: 550 5.1.1 No such user')
    assert.deepEqual(
      [action.evidence, action.values.messageRate, action.mode, fault],
      [evidence, GUARD.rate, 'enforce', 'hard'],
    )
    assert.deepEqual([scene.held(ANNS), scene.held(TENANT)], [['rate'], []])
  })

  it('pauses who goes on so, until a person lets him go', async () => {
    await scene.hear(many(94, 'delivered'), many(6, 'bounced', GONE))
    await scene.hear(many(10, 'bounced', GONE))
    assert.deepEqual(scene.told, [`slow ${ANNS}`, `pause ${ANNS}`])
    scene.now += 20 * 24 * HOUR
    await scene.hear(many(200, 'delivered'))
    assert.deepEqual(scene.held(ANNS), ['suspend'])
  })

  it('pauses at once who is far above, and judges soft bounces as well', async () => {
    await scene.hear(many(80, 'delivered'), many(40, 'deferred', FULL))
    assert.deepEqual(scene.told, [`pause ${ANNS}`])
    assert.match(
      scene.steps[0]!.evidence,
      /^40 of 120 recipients bounced softly or were put off \(33\.3 %\) in 24 h, most: 452 4\.2\.2 Full$/,
    )
  })

  it('judges complaints over a week, of which one or two are chance', async () => {
    await scene.hear(many(1000, 'delivered'))
    scene.now += 3 * 24 * HOUR
    await scene.hear(many(2, 'complaint'))
    assert.deepEqual(scene.told, [])
    await scene.hear([said('complaint')])
    assert.deepEqual(scene.told, [`slow ${ANNS}`])
    assert.equal(scene.steps[0]!.evidence, '3 of 1000 recipients complained (0.3 %) in 7 d')
    await scene.hear([said('complaint')])
    assert.equal(scene.told[1], `pause ${ANNS}`)
  })

  it('lets who is slowed down go on when his figures are better', async () => {
    await scene.hear(many(94, 'delivered'), many(6, 'bounced', GONE))
    await scene.hear(many(50, 'delivered'))
    assert.deepEqual(scene.held(ANNS), ['rate'], '4.0 % is still near the threshold')
    await scene.hear(many(30, 'delivered'))
    assert.deepEqual(scene.told, [`slow ${ANNS}`, `recover ${ANNS}`])
    assert.deepEqual(scene.held(ANNS), [])
  })

  it('forgets when somebody is let go, and judges anew by what is said from then on', async () => {
    await scene.hear(many(80, 'delivered'), many(30, 'bounced', GONE))
    assert.deepEqual(scene.held(ANNS), ['suspend'])
    await letGo()
    await scene.hear(many(50, 'delivered'), many(20, 'bounced', GONE))
    assert.deepEqual([scene.held(ANNS), scene.steps.length], [[], 1])
    await scene.hear(many(30, 'bounced', GONE))
    assert.deepEqual(scene.told, [`pause ${ANNS}`, `pause ${ANNS}`])
  })

  it('leaves alone who is to be left alone, for as long', async () => {
    await scene.hear(many(80, 'delivered'), many(30, 'bounced', GONE))
    await letGo(HOUR)
    await scene.hear(many(80, 'delivered'), many(30, 'bounced', GONE))
    assert.deepEqual([scene.held(ANNS), scene.steps.length], [[], 1])
    scene.now += HOUR
    await scene.hear([said('bounced', GONE)])
    assert.deepEqual(scene.held(ANNS), ['suspend'])
  })

  it('holds the campaign and not the account and tenant whose it is, and those for what is not of it', async () => {
    await scene.hear(many(20, 'delivered'), many(90, 'delivered', undefined, { campaign: 'spring' }))
    await scene.hear(many(40, 'bounced', GONE, { campaign: 'spring' }))
    assert.deepEqual(scene.told, [`pause ${SPRING}`])
    await scene.hear(many(20, 'bounced', GONE, { campaign: 'spring' }))
    assert.deepEqual(scene.told, [`pause ${SPRING}`])
    await scene.hear(many(60, 'delivered'), many(40, 'bounced', GONE))
    assert.deepEqual(scene.told, [`pause ${SPRING}`, `pause ${ANNS}`])
  })

  it('holds the tenant when no account of it has enough by itself', async () => {
    const all = Array.from({ length: 30 }, (_, account) => [
      ...many(4, 'delivered', undefined, { account: `a${account}` }),
      ...many(1, 'bounced', GONE, { account: `a${account}` }),
    ])
    await scene.hear(...all)
    assert.deepEqual(scene.told, [`pause ${TENANT}`])
  })

  it('orders in shadow what it would have done, and nothing when it is off', async () => {
    scene.mode = { kind: 'shadow' }
    await scene.hear(many(80, 'delivered'), many(30, 'bounced', GONE))
    assert.deepEqual([scene.told, scene.held(ANNS)], [[`pause ${ANNS}`], []])
    await scene.hear(many(20, 'bounced', GONE))
    assert.equal(scene.steps.length, 1)
    scene.mode = { kind: 'enforce' }
    await scene.hear([said('bounced', GONE)])
    assert.deepEqual([scene.told[1], scene.held(ANNS)], [`pause ${ANNS}`, ['suspend']])
    scene = await GuardScene.of(1)
    scene.mode = { kind: 'off' }
    await scene.hear(many(80, 'delivered'), many(30, 'bounced', GONE))
    assert.deepEqual(scene.steps, [])
  })

  it('asks the store for many senders at once, not for each recipient', async () => {
    let trips = 0
    const judge = scene.store.judge.bind(scene.store)
    scene.store.judge = (asks) => {
      trips++
      return judge(asks)
    }
    const [{ guard }] = scene.processes as [(typeof scene.processes)[0]]
    for (let account = 0; account < 19; account++) {
      guard.note(many(500, 'delivered', undefined, { account: `a${account}`, campaign: undefined }))
    }
    await guard.settled()
    assert.equal(trips, 2)
  })

  it('leaves senders as they are while the store does not answer', async () => {
    const error = new StoreError('STORE_CLOSED', 'gone')
    const judge = scene.store.judge.bind(scene.store)
    scene.store.judge = () => {
      throw error
    }
    await scene.hear(many(80, 'delivered'), many(30, 'bounced', GONE))
    assert.deepEqual(new Set(scene.failures.splice(0)), new Set([error]))
    scene.store.judge = judge
    await scene.hear(many(80, 'delivered'), many(30, 'bounced', GONE))
    assert.deepEqual(scene.told, [`pause ${ANNS}`])
  })
})

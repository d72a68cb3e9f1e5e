import assert from 'node:assert/strict'
import { Steering } from '../../../../src/egress/steering'
import { Automation } from '../../../../src/feedback/automation/automation'
import type { Consequence } from '../../../../src/feedback/automation/consequence'
import { Classifier, type ResponseRule } from '../../../../src/feedback/classifier'
import type { Feedback } from '../../../../src/feedback/feedback'
import { Pardons } from '../../../../src/feedback/pardon'
import { release } from '../../../../src/feedback/release'
import type { Mode } from '../../../../src/policy/mode'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { AT, GOOGLE, said } from '../said'

const HOUR = 3_600_000
const NOW = { kind: 'immediate' } as const
const THRICE = { kind: 'count', limit: 3, windowMs: HOUR } as const

describe('what answers set off', () => {
  let now: number
  let store: MemoryStore
  let steering: Steering
  let pardons: Pardons
  let mode: Mode
  let rules: ResponseRule[]
  let suppressed: string[]
  let blamed: string[]
  let failures: unknown[]

  beforeEach(async () => {
    now = AT
    mode = { kind: 'enforce' }
    ;[suppressed, blamed, failures] = [[], [], []]
    store = new MemoryStore({ clock: () => now })
    await store.open()
    steering = new Steering({ store: () => store, clock: () => now, mode: () => mode })
    steering.follow(store)
    pardons = new Pardons(() => now)
    pardons.follow(store)
  })

  /** The rule `ours` does this. */
  function automation(...consequences: Consequence[]): Automation {
    rules = [
      {
        ...{ name: 'ours', says: [['x']], not: [], responseClass: 'reputation', scope: 'source', isPassing: false },
        consequences,
      },
    ]
    const classifier = new Classifier(rules)
    return new Automation({
      rules: () => classifier,
      mode: () => mode,
      store: () => store,
      ...{ steering, pardons },
      suppress: ({ recipient }, forMs) => suppressed.push(`${recipient} ${forMs}`),
      blame: ({ path }) => blamed.push(path!),
      onFailure: (error) => failures.push(error),
      clock: () => now,
    })
  }
  async function hears(of: Automation, ...all: Feedback[]) {
    of.read(all)
    await of.settled()
    assert.deepEqual(failures, [])
  }
  const orders = () =>
    steering.actions().map(({ path, kind, values, mode: how, until }) => [path, kind, values, how, until - now])

  const cases: [what: string, consequence: Consequence, expected: unknown[]][] = [
    [
      'a suspension of the path',
      { does: 'suspend', of: 'path', trigger: NOW, forMs: HOUR },
      [GOOGLE, 'suspend', { suspended: true }],
    ],
    [
      'rest for the source',
      { does: 'suspend', of: 'source', trigger: NOW, forMs: HOUR },
      ['egress|default|*', 'suspend', { suspended: true }],
    ],
    ['a lower rate', { does: 'rate', factor: 0.5, trigger: NOW, forMs: HOUR }, [GOOGLE, 'rate', { rateFactor: 0.5 }]],
    [
      'fewer connections',
      { does: 'connections', factor: 0.5, trigger: NOW, forMs: HOUR },
      [GOOGLE, 'connections', { connectionsFactor: 0.5 }],
    ],
    [
      'fewer messages a session',
      { does: 'session', messages: 20, trigger: NOW, forMs: HOUR },
      [GOOGLE, 'session', { sessionMessages: 20 }],
    ],
    [
      'fewer recipients for the account',
      { does: 'slow', of: 'account', to: { limit: 20, windowMs: HOUR }, trigger: NOW, forMs: HOUR },
      ['sender|account|ann@near.test', 'rate', { messageRate: { limit: 20, windowMs: HOUR } }],
    ],
    [
      'a pause for the tenant',
      { does: 'pause', of: 'tenant', trigger: NOW, forMs: HOUR },
      ['sender|tenant|acme', 'suspend', { suspended: true }],
    ],
  ]
  for (const [what, consequence, expected] of cases) {
    it(`is ${what}`, async () => {
      await hears(automation(consequence), said('deferred', {}))
      assert.deepEqual(orders(), [[...expected, 'enforce', HOUR]])
    })
  }

  it('stops a campaign, and nothing where the message is of none', async () => {
    const stop = automation({ does: 'pause', of: 'campaign', trigger: NOW, forMs: HOUR })
    await hears(stop, said('bounced', {}))
    assert.deepEqual(orders(), [])
    await hears(stop, said('bounced', {}, { origin: { campaign: 'spring' } }))
    assert.deepEqual(
      orders().map(([path]) => path),
      ['sender|campaign|acme/spring'],
    )
  })

  it('puts to review without changing anything', async () => {
    await hears(automation({ does: 'review', of: 'account', trigger: NOW, forMs: HOUR }), said('bounced', {}))
    assert.deepEqual(
      orders().map(([path, , , how]) => [path, how]),
      [['sender|account|ann@near.test', 'shadow']],
    )
    assert.equal(steering.ordersOf('sender|account|ann@near.test').suspendedUntil, undefined)
  })

  it('reaches beyond the path only where a known provider says so: anybody can answer what he likes', async () => {
    const all = automation(
      { does: 'pause', of: 'account', trigger: NOW, forMs: HOUR },
      { does: 'suspend', of: 'source', trigger: NOW, forMs: HOUR },
      { does: 'blame', trigger: NOW, forMs: HOUR },
      { does: 'rate', factor: 0.5, trigger: NOW, forMs: HOUR },
    )
    await hears(all, said('bounced', {}, { provider: undefined, path: 'egress|default|mx.evil.test' }))
    assert.deepEqual(
      orders().map(([path, kind]) => [path, kind]),
      [['egress|default|mx.evil.test', 'rate']],
    )
    assert.deepEqual(blamed, [])
  })

  it('says what was seen', async () => {
    await hears(automation({ does: 'suspend', of: 'path', trigger: NOW, forMs: HOUR }), said('deferred', {}))
    const [action] = steering.actions()
    assert.equal(action!.evidence, 'ours, at once: 421 4.7.28 Unusual rate of unsolicited mail')
    assert.equal(action!.origin, 'rule')
  })

  it('is handed to whoever suppresses, for each recipient, and to whoever looks for whom to blame', async () => {
    const both = automation(
      { does: 'suppress', trigger: NOW, forMs: HOUR },
      { does: 'blame', trigger: THRICE, forMs: HOUR },
    )
    const many = Array.from({ length: 2000 }, (_, index) => said('bounced', {}, { recipient: `u${index}@far.test` }))
    await hears(both, ...many)
    assert.equal(suppressed.length, 2000)
    assert.deepEqual([suppressed[7], blamed], [`u7@far.test ${HOUR}`, [GOOGLE]])
  })

  it('suppresses only who is not there for good, whatever its class sets off', async () => {
    const by = automation({ does: 'suppress', trigger: NOW, forMs: HOUR })
    for (const responseClass of ['invalid', 'disabled'] as const) {
      await hears(by, said('deferred', { responseClass, code: 451, enhanced: '4.3.0', text: 'User not found' }))
      await hears(by, said('bounced', { responseClass, isHard: false }, { via: 'report', path: undefined }))
    }
    assert.deepEqual(suppressed, [])
    await hears(by, said('bounced', { responseClass: 'invalid', isHard: true }))
    assert.deepEqual(suppressed, [`bob@far.test ${HOUR}`])
    await hears(by, said('deferred', { responseClass: 'mailbox_full', code: 452 }))
    assert.equal(suppressed.length, 2, 'what the operator has written for other classes is done')
  })

  it('waits for so many within a time, over all hosts', async () => {
    const [one, other] = [1, 2].map(() => automation({ does: 'suspend', of: 'path', trigger: THRICE, forMs: HOUR }))
    await hears(one!, said('deferred', {}))
    await hears(other!, said('deferred', {}))
    assert.deepEqual(orders(), [])
    now += 2 * HOUR
    await hears(one!, said('deferred', {}), said('deferred', {}))
    assert.deepEqual(orders(), [], 'those of before are forgotten')
    await hears(other!, said('deferred', {}))
    assert.equal(orders().length, 1)
  })

  it('waits for a share of all recipients, of so many at least', async () => {
    const share = { kind: 'share', share: 0.1, least: 20, windowMs: HOUR } as const
    const by = automation({ does: 'suspend', of: 'path', trigger: share, forMs: HOUR })
    await hears(by, said('bounced', {}), said('bounced', {}))
    assert.deepEqual(orders(), [], 'two of two are too few')
    for (let count = 0; count < 30; count++) await hears(by, said('delivered'))
    await hears(by, said('bounced', {}))
    assert.deepEqual(orders(), [], '3 of 33')
    await hears(by, said('bounced', {}))
    assert.equal(orders().length, 1, '4 of 34')
  })

  it('begins anew when somebody was let go: what was counted is forgotten', async () => {
    const share = { kind: 'share', share: 0.1, least: 3, windowMs: HOUR } as const
    for (const trigger of [THRICE, share]) {
      const by = automation({ does: 'pause', of: 'account', trigger, forMs: HOUR })
      await hears(by, said('bounced', {}), said('bounced', {}), said('bounced', {}))
      assert.equal(orders().length, 1)
      await release(store, steering.desk(), new Classifier(rules), [...steering.actions()])
      assert.deepEqual(orders(), [])
      await hears(by, said('bounced', {}))
      assert.deepEqual(orders(), [])
      now += 2 * HOUR
    }
  })

  it('leaves alone for as long who is to be left alone, and the paths not', async () => {
    const pause: Consequence = { does: 'pause', of: 'account', trigger: NOW, forMs: HOUR }
    const by = automation(pause, { does: 'suspend', of: 'path', trigger: NOW, forMs: HOUR })
    await hears(by, said('bounced', {}))
    const ofSenders = steering.actions().filter(({ path }) => path.startsWith('sender|'))
    const alone = { leaveAloneMs: 2 * HOUR, clock: () => now }
    await release(store, steering.desk(), new Classifier(rules), ofSenders, alone)
    await hears(by, said('bounced', {}))
    assert.deepEqual(
      orders().map(([path]) => path),
      [GOOGLE],
    )
    now += 2 * HOUR
    await hears(by, said('bounced', {}))
    assert.equal(orders().length, 2)
  })

  it('goes on while it is set off, under one id, and ends by itself', async () => {
    const by = automation({ does: 'suspend', of: 'path', trigger: NOW, forMs: HOUR })
    await hears(by, said('deferred', {}))
    const [first] = steering.actions()
    now += HOUR / 4
    await hears(by, said('deferred', {}))
    assert.equal(steering.actions()[0]!.id, first!.id, 'it need not be said again yet')
    now += HOUR / 2
    await hears(by, said('deferred', {}))
    const [second] = steering.actions()
    assert.deepEqual([second!.since, second!.until], [AT, now + HOUR])
    now += HOUR
    assert.deepEqual(orders(), [])
  })

  it('holds who is to be paused though he is to be reviewed too, whichever comes first', async () => {
    const target = 'sender|account|ann@near.test'
    const isPaused = () => [...steering.holding(target)].some(({ holds }) => holds)
    const review = () => automation({ does: 'review', of: 'account', trigger: NOW, forMs: 7 * 24 * HOUR })
    const pause = () => automation({ does: 'pause', of: 'account', trigger: NOW, forMs: HOUR })
    await hears(review(), said('bounced', {}))
    assert.equal(isPaused(), false)
    await hears(pause(), said('bounced', {}))
    assert.equal(isPaused(), true)
    now += 0.6 * HOUR
    await hears(review(), said('bounced', {}))
    assert.equal(isPaused(), true)
  })

  it('goes on for longer than the longest action', async () => {
    const by = automation({ does: 'suspend', of: 'path', trigger: NOW, forMs: 20 * 24 * HOUR })
    for (let day = 0; day < 80; day++) {
      await hears(by, said('deferred', {}))
      assert.equal(orders().length, 1, `day ${day}`)
      now += 24 * HOUR
    }
  })

  it('is shown only in shadow, and is nothing when it is off', async () => {
    mode = { kind: 'shadow' }
    const by = automation({ does: 'suspend', of: 'path', trigger: NOW, forMs: HOUR })
    await hears(by, said('deferred', {}))
    assert.deepEqual(
      orders().map(([, , , how]) => how),
      ['shadow'],
    )
    assert.equal(steering.ordersOf(GOOGLE).suspendedUntil, undefined)
    mode = { kind: 'off' }
    await hears(by, said('deferred', {}, { path: 'egress|default|yahoo' }))
    assert.equal(orders().length, 1)
  })

  it('is nothing for what no rule knows, and for what was delivered', async () => {
    const by = automation({ does: 'suspend', of: 'path', trigger: NOW, forMs: HOUR })
    await hears(by, said('delivered'), said('deferred', { rule: undefined }), said('deferred', { rule: 'removed' }))
    assert.deepEqual(orders(), [])
  })

  it('is told when the store fails', async () => {
    const by = automation({ does: 'suspend', of: 'path', trigger: THRICE, forMs: HOUR })
    await store.close()
    by.read([said('deferred', {})])
    await by.settled()
    assert.equal(failures.length, 1)
  })
})

import assert from 'node:assert/strict'
import { buildOverrides, readOverrideKey } from '../../../../src/config/maps'
import { type Greylist, greylistGate } from '../../../../src/gates/greylist/greylist-gate'
import { meritAsk } from '../../../../src/gates/reputation/merits'
import { parseIp } from '../../../../src/keys/address'
import { NULL_SENDER, foldRecipient, foldSender } from '../../../../src/keys/mailbox'
import type { GateAsk } from '../../../../src/policy/gate'
import type { Subject } from '../../../../src/policy/subject'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { judgeStage, planGates } from '../../../../src/policy/pipeline'
import type { Outcome } from '../../../../src/policy/decision'
import { DEFAULTS } from '../../../../src/config/defaults'
import { AT, subject } from '../../telemetry/fixtures'
import { MEMORY } from '../limits/rules'

const WEIGHTS = DEFAULTS.score.weights
const HOUR_MS = 3_600_000

describe('greylist gate', () => {
  const clientAt = (ip: string, trusted = false) => ({ ip, address: parseIp(ip)!, trusted })
  const stranger: Partial<Subject> = {
    stage: 'rcpt_ok',
    client: clientAt('192.0.2.77'),
    sender: foldSender('Bob+tag', 'Example.org'),
    recipient: foldRecipient('Eve+news', 'local.test'),
  }

  function run(changes: Partial<Subject> = {}, greylist: Partial<Greylist> = {}) {
    const asks: GateAsk[] = []
    const exemptions: { rule: string; because: string }[] = []
    const gate = greylistGate({
      ...{ mode: { kind: 'enforce' }, delayMs: 300_000, retryMs: 172_800_000, passMs: 3_024_000_000 },
      correspondentsMs: 90 * 24 * HOUR_MS,
      allow: buildOverrides([]),
      ...{ fromScore: undefined, vouched: -3, weights: WEIGHTS, reputation: MEMORY },
      ...greylist,
    })
    if (gate.stages.includes('rcpt_ok')) gate.ask(subject({ ...stranger, ...changes }), asks, exemptions)
    return { asks: asks.map(({ ask }) => ask), exemptions }
  }

  const keyOf = (changes: Partial<Subject>) => run(changes).asks.find(({ op }) => op === 'triplet')!.key

  it('asks about client, sender and recipient, tags and case folded away', () => {
    assert.deepEqual(
      run().asks.filter(({ op }) => op === 'triplet'),
      [
        {
          ...{ op: 'triplet', key: 'greylist|192.0.2.0/24|bob@example.org|eve@local.test', enforced: true },
          ...{ delayMs: 300_000, retryMs: 172_800_000, passMs: 3_024_000_000, unless: [0, 1, 2] },
        },
      ],
    )
  })

  it('takes the network for the client, and the domain that SPF has proved before that', () => {
    assert.equal(keyOf({ client: clientAt('192.0.2.200') }), keyOf({}))
    assert.equal(
      keyOf({ client: clientAt('2001:db8:1:2:3::4') }),
      'greylist|2001:db8:1:2::/64|bob@example.org|eve@local.test',
    )
    const pooled = keyOf({ spfDomain: 'example.org' })
    assert.equal(pooled, 'greylist|example.org|bob@example.org|eve@local.test')
    assert.equal(keyOf({ spfDomain: 'example.org', client: clientAt('203.0.113.9') }), pooled)
  })

  it('has a key for bounces', () => {
    assert.equal(keyOf({ sender: NULL_SENDER }), 'greylist|192.0.2.0/24|<>|eve@local.test')
  })

  for (const [who, changes, because] of [
    ['a trusted network', { client: clientAt('192.0.2.77', true) }, 'trusted network'],
    ['who has logged in', { account: 'ann' }, 'authenticated'],
    ['who may relay', { direction: 'submission' }, 'may relay'],
  ] as const) {
    it(`lets pass ${who}`, () => {
      const { asks, exemptions } = run(changes)
      assert.equal(asks.filter(({ op }) => op === 'triplet').length, 0)
      assert.deepEqual(exemptions, [{ rule: 'greylist', because }])
    })
  }

  for (const entry of ['example.org', 'bob@example.org', 'local.test', 'eve@local.test', '192.0.2.0/24']) {
    it(`lets pass ${entry} when it is allowed`, () => {
      const read = readOverrideKey(entry)
      assert.ok('value' in read)
      const allow = buildOverrides([{ key: read.value, value: 'exempt' }])
      const { asks, exemptions } = run({}, { allow })
      assert.deepEqual([asks.length, exemptions.length], [0, 1])
      assert.match(exemptions[0]!.because, /^greylist\.allow /)
      const other = { client: clientAt('203.0.113.9'), sender: foldSender('x', 'example.net') }
      const { asks: others } = run({ ...other, recipient: foldRecipient('y', 'z.test') }, { allow })
      assert.equal(others.filter(({ op }) => op === 'triplet').length, 1)
    })
  }

  it('enforces by its mode, and asks nothing when off', () => {
    const inShadow = run({}, { mode: { kind: 'shadow' } }).asks
    assert.equal(inShadow.find(({ op }) => op === 'triplet')!.enforced, false)
    assert.deepEqual(run({}, { mode: { kind: 'off' } }).asks, [])
  })

  it('lets pass whom DNS lists vouch for, and, if so wanted, against whom too little speaks', () => {
    const listed = (weight: number) => [{ source: 'dnsbl', name: 'list.example', weight }]
    assert.deepEqual(run({ signals: listed(-3) }).exemptions, [{ rule: 'greylist', because: 'DNS lists vouch for it' }])
    assert.deepEqual(run({ signals: listed(-2) }).exemptions, [])
    const because = 'too little speaks against it'
    assert.deepEqual(run({ signals: listed(3) }, { fromScore: 4 }).exemptions, [{ rule: 'greylist', because }])
    assert.deepEqual(run({ signals: listed(4) }, { fromScore: 4 }).exemptions, [])
  })

  describe('with a store', () => {
    let now: number
    let store: MemoryStore
    const enforced: Greylist = {
      ...{ mode: { kind: 'enforce' }, delayMs: 300_000, retryMs: 48 * HOUR_MS, passMs: 35 * 24 * HOUR_MS },
      correspondentsMs: 90 * 24 * HOUR_MS,
      ...{ allow: buildOverrides([]), fromScore: undefined, vouched: -3, weights: WEIGHTS, reputation: MEMORY },
    }
    beforeEach(() => {
      now = AT
      store = new MemoryStore({ clock: () => now })
    })

    /** Judges, and learns what there is to learn. */
    function judge(changes: Partial<Subject>): Outcome {
      const outcome = judgeStage(planGates([greylistGate(enforced)]), subject({ ...stranger, ...changes }), store)
      assert.ok(!(outcome instanceof Promise))
      if (outcome.lessons.length > 0) store.judge(outcome.lessons)
      return outcome
    }
    const deferred = (changes: Partial<Subject>) => judge(changes).answers.has('greylist')
    const to = (local: string) => ({ recipient: foldRecipient(local, 'local.test') })

    function pass(local: string): void {
      assert.ok(deferred(to(local)))
      now += enforced.delayMs
      assert.ok(!deferred(to(local)))
    }

    it('asks a client no more whose new messages came back five times, at least an hour apart', () => {
      for (let time = 0; time < 4; time++) {
        pass(`u${time}`)
        now += HOUR_MS
      }
      // A fifth and sixth within the hour are one.
      assert.ok(deferred(to('v')))
      pass('u4')
      const { answers, exemptions } = judge(to('w'))
      assert.equal(answers.size, 0)
      assert.deepEqual(exemptions, [{ rule: 'greylist', because: 'its new messages have always come back' }])
      assert.ok(deferred({ ...to('w'), client: clientAt('203.0.113.9') }), 'another network')
    })

    it('takes passes within an hour for one, and messages of known correspondents for none', () => {
      for (let time = 0; time < 6; time++) pass(`u${time}`)
      for (let time = 0; time < 9; time++) {
        now += HOUR_MS
        assert.ok(!deferred(to('u0')))
      }
      assert.ok(deferred(to('v')))
    })

    it('lets pass to whom our user has written', () => {
      const [ann, bob] = [foldRecipient('ann', 'local.test'), foldSender('bob', 'example.org')]
      judge({ direction: 'submission', sender: ann, recipient: bob })
      const { answers, exemptions } = judge({ sender: bob, recipient: ann })
      assert.equal(answers.size, 0)
      assert.deepEqual(exemptions, [{ rule: 'greylist', because: 'the recipient has written to this sender' }])
      assert.ok(deferred({ sender: bob, recipient: foldRecipient('carol', 'local.test') }))
    })

    it('lets pass clients and domains of good reputation', () => {
      const learn = (bearer: 'client' | 'domain', name: string, sample: number) => {
        for (let time = 0; time < 10; time++) store.judge([meritAsk(bearer, name, MEMORY, sample)])
      }
      learn('client', '192.0.2.77', 1)
      learn('domain', 'good.example', 1)
      learn('client', '203.0.113.9', 0.2)
      assert.deepEqual(judge(to('a')).exemptions, [{ rule: 'greylist', because: 'a client of good reputation' }])
      const pool = { client: clientAt('203.0.113.7'), spfDomain: 'good.example' }
      assert.deepEqual(judge({ ...to('a'), ...pool }).exemptions, [
        { rule: 'greylist', because: 'a domain of good reputation' },
      ])
      assert.ok(deferred({ ...to('a'), client: clientAt('203.0.113.9') }))
    })

    it('learns nothing in shadow from who did not wait', () => {
      const shadow = planGates([greylistGate({ ...enforced, mode: { kind: 'shadow' } })])
      for (let time = 0; time < 6; time++) {
        const outcome = judgeStage(shadow, subject({ ...stranger, ...to(`s${time}`) }), store)
        assert.ok(!(outcome instanceof Promise))
        assert.deepEqual(outcome.lessons, [])
        now += HOUR_MS
      }
    })
  })
})

import assert from 'node:assert/strict'
import { LEASE_TTL_MS, limitsGate, stageOf } from '../../../../src/gates/limits/limits-gate'
import {
  CLIENT_TIERS,
  type Count,
  type Dimension,
  type LimitRule,
  NEIGHBOURHOOD_TIER,
  NEIGHBOURHOOD_TIERS,
  scaleLimit,
} from '../../../../src/gates/limits/rule'
import { parseIp } from '../../../../src/keys/address'
import { NULL_SENDER, foldRecipient, foldSender } from '../../../../src/keys/mailbox'
import type { Exemption } from '../../../../src/policy/decision'
import type { GateAsk } from '../../../../src/policy/gate'
import type { Stage, Subject } from '../../../../src/policy/subject'
import type { Ask, RateAsk } from '../../../../src/store/store'
import { subject } from '../../telemetry/fixtures'
import { MEMORY, limitRule, perMinute } from './rules'

const clientAt = (ip: string, trusted = false) => ({ ip, address: parseIp(ip)!, trusted })

const WHOLE: Partial<Subject> = {
  client: clientAt('192.0.2.77'),
  helo: 'MX.Example.com',
  account: 'ann@example.org',
  tenant: 'acme',
  sender: foldSender('Bob+tag', 'mail.example.co.uk'),
  recipient: foldRecipient('Eve', 'Sub.Example.net'),
  sizeBytes: 1234,
}

describe('limits gate', () => {
  /** What the rules ask of the store, and whom they let pass. */
  function run(rules: readonly LimitRule[], stage: Stage, changes: Partial<Subject> = {}) {
    const asks: GateAsk[] = []
    const exemptions: Exemption[] = []
    const gate = limitsGate('messages', rules, MEMORY)
    if (gate.stages.includes(stage)) gate.ask(subject({ ...WHOLE, stage, ...changes }), asks, exemptions)
    return { asks: asks.map(({ ask }) => ask), exemptions }
  }

  function keys(rule: LimitRule, stage: Stage, changes: Partial<Subject> = {}): string[] {
    return run([rule], stage, changes).asks.map(({ key }) => key)
  }

  function limitsOf(asks: readonly Ask[]): number[] {
    return asks.map((ask) => {
      if (ask.op === 'window') return ask.windows[0]!.limit
      assert.notEqual(ask.op, 'triplet')
      return ask.op === 'lease' ? ask.limit : (ask as RateAsk).burst
    })
  }

  describe('asks', () => {
    it('at the stage that its count says', () => {
      const cases: [Count, Dimension[], Stage][] = [
        ['connections', ['client'], 'connect'],
        ['sessions', ['network'], 'connect'],
        ['messages', ['client'], 'mail'],
        ['messages', ['sender', 'recipient'], 'rcpt_ok'],
        ['messages', ['recipient_domain'], 'rcpt_ok'],
        ['recipients', ['account'], 'rcpt'],
        ['recipients', ['recipient'], 'rcpt_ok'],
        ['bytes', ['sender'], 'data_post'],
      ]
      for (const [count, per, stage] of cases) {
        const rule = limitRule(count, per)
        assert.equal(stageOf(rule), stage)
        for (const other of ['connect', 'mail', 'rcpt', 'rcpt_ok', 'data_post'] as Stage[]) {
          assert.equal(keys(rule, other).length, Number(other === stage), `${count} per ${per.join()} at ${other}`)
        }
      }
    })

    it('with the key that its dimensions say', () => {
      const cases: [Dimension[], string][] = [
        [['client'], 'mine|192.0.2.77'],
        [['network'], 'mine|192.0.2.0/24'],
        [['helo'], 'mine|mx.example.com'],
        [['sender'], 'mine|bob@mail.example.co.uk'],
        [['sender_domain'], 'mine|example.co.uk'],
        [['account'], 'mine|ann@example.org'],
        [['tenant'], 'mine|acme'],
        [['session'], 'mine|abcdefghijkl'],
        [['account', 'sender_domain', 'client'], 'mine|ann@example.org|example.co.uk|192.0.2.77'],
      ]
      for (const [per, key] of cases) {
        const tiers = per.includes('network') ? [NEIGHBOURHOOD_TIER] : CLIENT_TIERS.slice(0, 1)
        assert.deepEqual(keys(limitRule('messages', per, { tiers }), 'mail'), [key])
      }
      assert.deepEqual(keys(limitRule('messages', ['recipient']), 'rcpt_ok'), ['mine|eve@sub.example.net'])
      assert.deepEqual(keys(limitRule('messages', ['recipient_domain']), 'rcpt_ok'), ['mine|sub.example.net'])
    })

    it('nothing where the subject lacks a part of the key', () => {
      for (const missing of ['helo', 'account', 'tenant', 'sender'] as const) {
        assert.deepEqual(
          keys(limitRule('messages', ['client', missing]), 'mail', { [missing]: undefined }),
          [],
          missing,
        )
      }
    })

    it('by /64 for an IPv6 client, and by the IPv4 address that IPv6 wraps', () => {
      const rule = limitRule('connections', ['client'])
      assert.deepEqual(keys(rule, 'connect', { client: clientAt('2001:db8:1:2:3::4') }), ['mine|2001:db8:1:2::/64'])
      assert.deepEqual(keys(rule, 'connect', { client: clientAt('::ffff:192.0.2.77') }), ['mine|192.0.2.77'])
    })

    it('by /48 for an IPv6 network: who has one has 65,536 of /64', () => {
      const rule = limitRule('messages', ['network', 'recipient'], { tiers: [NEIGHBOURHOOD_TIER] })
      for (const ip of ['2001:db8:1:2::4', '2001:db8:1:3::4']) {
        assert.deepEqual(keys(rule, 'rcpt_ok', { client: clientAt(ip) }), ['mine|2001:db8:1::/48|eve@sub.example.net'])
      }
      const both = limitRule('messages', ['client', 'network'], { tiers: [NEIGHBOURHOOD_TIER] })
      assert.deepEqual(keys(both, 'mail', { client: clientAt('2001:db8:1:2::4') }), [
        'mine|2001:db8:1:2::/64|2001:db8:1::/48',
      ])
    })

    it('in tiers: wider networks have their own keys and 3 and 9 times the limit', () => {
      const rule = limitRule('connections', ['client'], { tiers: CLIENT_TIERS })
      const v4 = run([rule], 'connect').asks
      assert.deepEqual(
        v4.map(({ key }) => key),
        ['mine|192.0.2.77', 'mine/26|192.0.2.64/26', 'mine/21|192.0.0.0/21'],
      )
      assert.deepEqual(limitsOf(v4), [5, 15, 45])
      assert.deepEqual(keys(rule, 'connect', { client: clientAt('2001:db8:1:2::1') }), [
        'mine|2001:db8:1:2::/64',
        'mine/26|2001:db8:1::/48',
        'mine/21|2001:db8::/32',
      ])
      const network = limitRule('connections', ['network'], { tiers: NEIGHBOURHOOD_TIERS })
      assert.deepEqual(keys(network, 'connect'), ['mine|192.0.2.0/24', 'mine/22|192.0.0.0/22', 'mine/20|192.0.0.0/20'])
    })

    it('in the form that its limit says', () => {
      const rate = limitRule('messages', ['client'], { limit: { kind: 'rate', intervalMs: 100, burst: 50 } })
      assert.deepEqual(run([rate], 'mail').asks, [
        { op: 'rate', key: 'mine|192.0.2.77', enforced: true, intervalMs: 100, burst: 50, cost: 1 },
      ])
      const lease = limitRule('sessions', ['client'], { limit: { kind: 'concurrency', most: 10 } })
      assert.deepEqual(run([lease], 'connect').asks, [
        { op: 'lease', key: 'mine|192.0.2.77', enforced: true, limit: 10, id: 'abcdefghijkl', ttlMs: LEASE_TTL_MS },
      ])
      const bytes = run([limitRule('bytes', ['sender'])], 'data_post').asks
      assert.equal(bytes[0]?.op === 'window' && bytes[0].cost, 1234)
      const empty = run([limitRule('bytes', ['sender'])], 'data_post', { sizeBytes: 0 }).asks
      assert.equal(empty[0]?.op === 'window' && empty[0].cost, 1)
    })

    it('for its own plugin only, and nothing for rules that are off', () => {
      const rules = [
        limitRule('messages', ['client'], { plugin: 'connections' }),
        limitRule('messages', ['client'], { mode: { kind: 'off' } }),
      ]
      assert.deepEqual(limitsGate('messages', rules, MEMORY).stages, [])
    })

    it('only about the direction that the rule names', () => {
      const inbound = limitRule('messages', ['client'], { direction: 'inbound' })
      assert.equal(keys(inbound, 'mail').length, 1)
      assert.equal(keys(inbound, 'mail', { direction: 'submission' }).length, 0)
    })

    it('unenforced in shadow', () => {
      const shadow = limitRule('messages', ['client'], { mode: { kind: 'shadow' } })
      assert.equal(run([shadow], 'mail').asks[0]!.enforced, false)
    })

    it('no two questions of one stage with the same key', () => {
      const counts: [Count, Dimension[]][] = [
        ['messages', ['client']],
        ['messages', ['sender']],
        ['messages', ['sender', 'recipient']],
        ['messages', ['recipient']],
      ]
      const rules = counts.map(([count, per], index) =>
        limitRule(count, per, { name: `r${index}`, tiers: CLIENT_TIERS }),
      )
      for (const stage of ['mail', 'rcpt_ok'] as Stage[]) {
        for (const sender of [NULL_SENDER, foldSender('a', 'b.example')]) {
          const asked = run(rules, stage, { sender }).asks.map(({ key }) => key)
          assert.equal(new Set(asked).size, asked.length)
        }
      }
    })
  })

  describe('judges the null sender', () => {
    const sender = NULL_SENDER

    it('by network and recipient, once the recipient is known, where the key names the sender', () => {
      for (const per of [['sender'], ['sender_domain'], ['sender', 'client']] as Dimension[][]) {
        const rule = limitRule('messages', per)
        assert.deepEqual(keys(rule, 'mail', { sender }), [], `${per.join()} at mail`)
        assert.deepEqual(keys(rule, 'rcpt_ok', { sender }), ['mine|<>|192.0.2.0/24|eve@sub.example.net'])
      }
      const v6 = { sender, client: clientAt('2001:db8:1:2::1') }
      assert.deepEqual(keys(limitRule('messages', ['sender']), 'rcpt_ok', v6), [
        'mine|<>|2001:db8:1:2::/64|eve@sub.example.net',
      ])
    })

    it('and asks about named senders at mail only', () => {
      const rule = limitRule('messages', ['sender'])
      assert.equal(keys(rule, 'mail').length, 1)
      assert.deepEqual(keys(rule, 'rcpt_ok'), [])
    })

    it('like any other where the key does not name the sender', () => {
      assert.deepEqual(keys(limitRule('messages', ['client']), 'mail', { sender }), ['mine|192.0.2.77'])
      assert.deepEqual(keys(limitRule('messages', ['client']), 'rcpt_ok', { sender }), [])
    })

    it('without the recipient where bytes are counted', () => {
      const asked = keys(limitRule('bytes', ['sender']), 'data_post', { sender, recipient: undefined })
      assert.deepEqual(asked, ['mine|<>|192.0.2.0/24'])
    })

    it('only for whom the rule is about, and each account by itself', () => {
      const rule = limitRule('messages', ['account', 'sender'])
      assert.deepEqual(keys(rule, 'rcpt_ok', { sender, account: undefined }), [])
      const asked = keys(rule, 'rcpt_ok', { sender })
      assert.deepEqual(asked, ['mine|<>|192.0.2.0/24|eve@sub.example.net|ann@example.org'])
    })

    it('and does not take a sender without domain for it', () => {
      const postmaster = foldSender('postmaster', '')
      assert.deepEqual(keys(limitRule('messages', ['sender']), 'mail', { sender: postmaster }), ['mine|postmaster@'])
    })
  })

  describe('exempts', () => {
    it('trusted networks and whoever has logged in, where the rule says so, and says why', () => {
      const client = clientAt('192.0.2.77', true)
      const rule = limitRule('messages', ['client'], { exemptAuthenticated: true })
      assert.deepEqual(run([rule], 'mail', { client }), {
        asks: [],
        exemptions: [{ rule: 'mine', because: 'trusted network' }],
      })
      assert.deepEqual(run([rule], 'mail').exemptions, [{ rule: 'mine', because: 'authenticated' }])
      const held = limitRule('messages', ['client'], { exemptTrusted: false })
      assert.equal(run([held], 'mail', { client }).asks.length, 1)
    })

    it('whom an override exempts', () => {
      const overrides = {
        ...limitRule('messages', []).overrides,
        domains: new Map([['example.co.uk', 'exempt' as const]]),
      }
      const rule = limitRule('messages', ['sender'], { overrides })
      assert.deepEqual(run([rule], 'mail'), {
        asks: [],
        exemptions: [{ rule: 'mine', because: 'override example.co.uk' }],
      })
      assert.equal(keys(rule, 'mail', { sender: foldSender('a', 'b.example') }).length, 1)
    })
  })

  it('gives an override in place of the limit, tiers widened alike', () => {
    const overrides = { ...limitRule('messages', []).overrides, domains: new Map([['example.co.uk', perMinute(100)]]) }
    const rule = limitRule('messages', ['sender', 'client'], { overrides, tiers: CLIENT_TIERS })
    assert.deepEqual(limitsOf(run([rule], 'mail').asks), [100, 300, 900])
    assert.deepEqual(limitsOf(run([rule], 'mail', { sender: foldSender('a', 'b.example') }).asks), [5, 15, 45])
  })
})

describe('scaleLimit', () => {
  it('widens every form', () => {
    assert.deepEqual(scaleLimit(perMinute(5), 3), perMinute(15))
    assert.deepEqual(scaleLimit({ kind: 'concurrency', most: 10 }, 9), { kind: 'concurrency', most: 90 })
    assert.deepEqual(scaleLimit({ kind: 'rate', intervalMs: 90, burst: 10 }, 3), {
      kind: 'rate',
      intervalMs: 30,
      burst: 30,
    })
    const limit = perMinute(5)
    assert.equal(scaleLimit(limit, 1), limit)
  })
})

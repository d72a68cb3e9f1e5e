import assert from 'node:assert/strict'
import { jailGate } from '../../../../src/gates/jail/jail-gate'
import { protectionOf } from '../../../../src/gates/jail/jail-policy'
import type { Finding } from '../../../../src/policy/decision'
import type { Ban } from '../../../../src/policy/ban'
import type { Mode } from '../../../../src/policy/mode'
import { subject } from '../../telemetry/fixtures'
import { AT, HOUR, addressOf, banOn, isIn, networks } from './fixtures'

describe('jail gate', () => {
  const ENFORCE: Mode = { kind: 'enforce' }
  function findings(ban: Ban | undefined, mode = ENFORCE, remedy: 'defer' | 'reject' = 'defer'): Finding[] {
    const found: Finding[] = []
    jailGate({ mode, remedy }).inspect!(subject({ ban, at: AT }), found, { score: undefined })
    return found
  }

  it('finds nothing where there is no ban, and asks no store', () => {
    assert.deepEqual(findings(undefined), [])
    const gate = jailGate({ mode: ENFORCE, remedy: 'defer' })
    assert.deepEqual(gate.stages, ['connect', 'mail'])
    const asks: never[] = []
    gate.ask(subject({ ban: banOn('192.0.2.1') }), asks, [])
    assert.deepEqual(asks, [])
  })

  it('says until when', () => {
    const [finding] = findings(banOn('192.0.2.1'))
    assert.deepEqual(
      [finding!.key, finding!.windowMs, finding!.retryAfterMs, finding!.reason],
      ['ban|192.0.2.1', HOUR, HOUR, 'ban'],
    )
    assert.equal(findings(banOn('192.0.2.1', { until: AT - 5 }))[0]!.retryAfterMs, 1)
  })

  it('gives all refusals of one ban one reference, and each ban its own', () => {
    const refOf = (ban: Ban) => findings(ban)[0]!.ref
    assert.match(refOf(banOn('192.0.2.1'))!, /^[0-9A-HJKMNP-TV-Z]{7}$/)
    assert.equal(refOf(banOn('192.0.2.1')), refOf(banOn('192.0.2.1', { until: AT + 5 })))
    assert.notEqual(refOf(banOn('192.0.2.1')), refOf(banOn('192.0.2.2')))
    assert.notEqual(refOf(banOn('192.0.2.1')), refOf(banOn('192.0.2.1', { since: AT + 5 })))
  })

  it('ends the session for an address only', () => {
    const ends = ['192.0.2.1', 'account:ann', 'spam.example'].map((text) => {
      const { rule } = findings(banOn(text))[0]!
      return [rule.text, rule.ends]
    })
    assert.deepEqual(ends, [
      ['Your address is banned', true],
      ['Your account is banned', false],
      ['This sender domain is banned', false],
    ])
  })

  it('holds what it found by itself to its mode, and not what somebody has said', () => {
    const shadow: Mode = { kind: 'shadow' }
    assert.equal(findings(banOn('192.0.2.1', { origin: 'jail' }), shadow)[0]!.enforced, false)
    assert.equal(findings(banOn('192.0.2.1', { origin: 'dnsbl' }), shadow)[0]!.enforced, false)
    assert.equal(findings(banOn('192.0.2.1', { origin: 'jail' }))[0]!.enforced, true)
    assert.equal(findings(banOn('192.0.2.1', { origin: 'fail2ban' }), shadow)[0]!.enforced, true)
  })

  it('answers as it is told to', () => {
    assert.equal(findings(banOn('192.0.2.1'), ENFORCE, 'reject')[0]!.rule.remedy, 'reject')
  })

  it('is not there when it is off', () => {
    assert.deepEqual(jailGate({ mode: { kind: 'off' }, remedy: 'defer' }).stages, [])
  })
})

describe('protection', () => {
  it('says why an address is never banned', () => {
    const because = protectionOf(networks('203.0.113.0/24'), networks('2001:db8:7::/48'), isIn('192.0.2.99'))
    const said = ['203.0.113.9', '2001:db8:7::1', '192.0.2.99', '100.64.0.1', '192.0.2.98', '2001:db8:8::1'].map((ip) =>
      because(addressOf(ip)),
    )
    assert.deepEqual(said, [
      'a trusted network',
      'listed in jail.never',
      'a proxy of this server',
      'a private address',
      undefined,
      undefined,
    ])
  })
})

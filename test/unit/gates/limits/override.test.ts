import assert from 'node:assert/strict'
import { buildOverrides, readOverrideKey } from '../../../../src/config/maps'
import { findOverride } from '../../../../src/gates/limits/override'
import { type Dimension, NO_OVERRIDES, type Overrides } from '../../../../src/gates/limits/rule'
import { foldRecipient, foldSender } from '../../../../src/keys/mailbox'
import { subject } from '../../telemetry/fixtures'
import { perMinute } from './rules'

/** Overrides that give the n-th key n/min. */
function overridesOf(...keys: string[]): Overrides {
  return buildOverrides(
    keys.map((text, index) => {
      const key = readOverrideKey(text)
      assert.ok('value' in key, text)
      return { key: key.value, value: perMinute(index + 1) }
    }),
  )
}

const SUBJECT = subject({
  account: 'ann@example.org',
  tenant: 'acme',
  sender: foldSender('bob', 'mail.example.com'),
  recipient: foldRecipient('eve', 'example.net'),
})

function entryFor(per: Dimension[], overrides: Overrides): string | undefined {
  return findOverride(overrides, per, SUBJECT)?.entry
}

describe('overrides', () => {
  const network = '192.0.2.0/24'

  it('of the most particular entry win: account, address, domain, network', () => {
    const keys = ['account:ann@example.org', 'bob@mail.example.com', 'mail.example.com', 'example.com', network]
    const per: Dimension[] = ['account', 'sender']
    const found = keys.map((_, index) => entryFor(per, overridesOf(...keys.slice(index))))
    assert.deepEqual(found, ['ann@example.org', 'bob@mail.example.com', 'mail.example.com', 'example.com', '192.0.2.1'])
    assert.equal(entryFor(per, NO_OVERRIDES), undefined)
  })

  it('apply only to what the rule counts per', () => {
    assert.equal(entryFor(['recipient'], overridesOf('example.com')), undefined)
    assert.equal(entryFor(['sender'], overridesOf('example.net')), undefined)
    assert.equal(entryFor(['recipient'], overridesOf('example.net')), 'example.net')
    assert.equal(entryFor(['recipient_domain'], overridesOf('eve@example.net')), 'eve@example.net')
    assert.equal(entryFor(['sender'], overridesOf('account:ann@example.org')), undefined)
    assert.equal(entryFor(['client'], overridesOf('bob@mail.example.com', 'example.com')), undefined)
  })

  it('of a network apply to any rule, by the client', () => {
    for (const per of [['client'], ['sender'], ['recipient'], ['account'], ['helo']] as Dimension[][]) {
      assert.equal(entryFor(per, overridesOf(network)), '192.0.2.1')
    }
    assert.equal(entryFor(['client'], overridesOf('198.51.100.0/24')), undefined)
  })

  it('of an address apply to the account of that name', () => {
    assert.equal(entryFor(['account'], overridesOf('ann@example.org')), 'ann@example.org')
    assert.equal(entryFor(['tenant'], overridesOf('account:ann@example.org')), 'ann@example.org')
  })

  it('of a domain hold for its subdomains where it is the organisation, and not the other way round', () => {
    assert.equal(entryFor(['sender_domain'], overridesOf('example.com')), 'example.com')
    assert.equal(entryFor(['recipient'], overridesOf('mail.example.net')), undefined)
  })

  it('of the sender come before those of the recipient', () => {
    assert.equal(entryFor(['sender', 'recipient'], overridesOf('example.net', 'example.com')), 'example.com')
    assert.equal(entryFor(['sender', 'recipient'], overridesOf('eve@example.net', 'example.com')), 'eve@example.net')
  })
})

import assert from 'node:assert/strict'
import { entryOf } from '../../../../src/gates/jail/ban-entry'
import { BanList } from '../../../../src/gates/jail/ban-list'
import { foldSender } from '../../../../src/keys/mailbox'
import type { Ban } from '../../../../src/policy/ban'
import { AT, HOUR, MINUTE, addressOf, banOn } from './fixtures'

describe('ban list', () => {
  let now: number
  let list: BanList
  beforeEach(() => {
    now = AT
    list = new BanList(() => now)
  })

  const post = (...bans: Ban[]) => bans.forEach((ban) => list.apply({ kind: 'posted', entry: entryOf(ban) }))
  const found = (ip: string) => list.findAddress(addressOf(ip))?.target.text
  const domainOf = (domain: string) => list.findDomain(foldSender('x', domain))?.target.text

  it('holds an address until its ban ends, and then forgets it', () => {
    post(banOn('192.0.2.7'))
    assert.equal(found('192.0.2.7'), '192.0.2.7')
    assert.equal(found('192.0.2.8'), undefined)
    now += HOUR - 1
    assert.equal(found('192.0.2.7'), '192.0.2.7')
    now += 1
    assert.equal(found('192.0.2.7'), undefined)
    assert.equal(list.size, 0)
  })

  it('finds the narrowest network, and the wider one when that has ended', () => {
    post(banOn('2001:db8::/32'), banOn('2001:db8:6::/48', { until: AT + MINUTE }), banOn('2001:db8:6:1::/64'))
    assert.equal(found('2001:db8:6:1::7'), '2001:db8:6:1::/64')
    assert.equal(found('2001:db8:6:2::7'), '2001:db8:6::/48')
    now += MINUTE
    assert.equal(found('2001:db8:6:2::7'), '2001:db8::/32')
  })

  it('puts what somebody has said before what was found by itself, which may be in shadow', () => {
    post(banOn('192.0.2.7', { origin: 'jail' }), banOn('192.0.2.0/24'))
    assert.equal(found('192.0.2.7'), '192.0.2.0/24')
    now += HOUR - 1
    post(banOn('192.0.2.8', { origin: 'jail', until: AT + 2 * HOUR }))
    now += 1
    assert.equal(found('192.0.2.8'), '192.0.2.8')
  })

  it('takes a newer ban of the same for the older one, of another origin too', () => {
    post(banOn('192.0.2.7', { origin: 'jail' }), banOn('192.0.2.7', { until: AT + MINUTE }))
    assert.equal(list.size, 1)
    now += MINUTE
    assert.equal(found('192.0.2.7'), undefined)
  })

  it('knows accounts, and domains with their subdomains', () => {
    post(banOn('account:ann'), banOn('domain:spam.example'))
    assert.equal(list.findAccount('ann')?.target.text, 'account:ann')
    assert.equal(list.findAccount('bob'), undefined)
    for (const domain of ['spam.example', 'Mail.Spam.example', 'a.b.spam.example']) {
      assert.equal(domainOf(domain), 'domain:spam.example', domain)
    }
    for (const domain of ['notspam.example', 'example', 'spam.example.org', '', '[192.0.2.7]']) {
      assert.equal(domainOf(domain), undefined, domain)
    }
    now += HOUR
    assert.equal(list.findAccount('ann'), undefined)
    assert.equal(domainOf('spam.example'), undefined)
    assert.equal(list.size, 0)
  })

  it('forgets what is withdrawn', () => {
    post(banOn('192.0.2.7'), banOn('account:ann'), banOn('192.0.2.9', { origin: 'jail' }))
    for (const key of ['ban|192.0.2.7', 'ban|account:ann', 'ban|192.0.2.9', 'ban|192.0.2.7', 'slow|ann']) {
      list.apply({ kind: 'withdrawn', key })
    }
    assert.deepEqual(
      [found('192.0.2.7'), found('192.0.2.9'), list.findAccount('ann'), list.size],
      [undefined, undefined, undefined, 0],
    )
  })

  it('takes all in place of what it knew', () => {
    post(banOn('192.0.2.7'), banOn('account:ann'), banOn('domain:spam.example'), banOn('192.0.2.9', { origin: 'jail' }))
    const strange = { key: 'slow|ann', text: '', expiresAt: AT + HOUR }
    list.apply({
      kind: 'all',
      entries: [entryOf(banOn('192.0.2.8')), strange, entryOf(banOn('192.0.2.1', { until: AT }))],
    })
    assert.deepEqual(['192.0.2.7', '192.0.2.8', '192.0.2.9', '192.0.2.1'].map(found), [
      undefined,
      '192.0.2.8',
      undefined,
      undefined,
    ])
    assert.equal(list.findAccount('ann'), undefined)
    assert.equal(list.size, 1)
  })

  it('does not grow with bans that have ended', () => {
    for (let index = 0; index < 20_000; index++) {
      now += 1000
      post(banOn(`10.0.${index >> 8}.${index & 255}`, { since: now, until: now + 10_000 }))
      assert.ok(list.size <= 1000, String(list.size))
    }
  })

  it('keeps all that are in force, however many', () => {
    for (let index = 0; index < 3000; index++) post(banOn(`10.0.${index >> 8}.${index & 255}`))
    assert.equal(list.size, 3000)
    assert.equal(found('10.0.11.183'), '10.0.11.183')
  })
})

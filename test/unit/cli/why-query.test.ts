import assert from 'node:assert/strict'
import { readQuery } from '../../../src/cli/why/query'
import { parseIp } from '../../../src/keys/address'
import { foldRecipient, foldSender } from '../../../src/keys/mailbox'
import { decisionLine, parseDecisionLine } from '../../../src/telemetry/decision-record'
import { decision, outcome, subject } from '../telemetry/fixtures'

describe('what sluice why is asked about', () => {
  const finds = (input: string, changes: Parameters<typeof subject>[0] = {}, decisions = [decision()]) => {
    const query = readQuery(input)!
    const line = decisionLine(outcome({ subject: subject(changes), decisions }))
    const contains = query.containsAny?.some((text) => line.includes(JSON.stringify(text).slice(1, -1))) ?? true
    return contains && query.matches(parseDecisionLine(line)!)
  }

  it('a reference, also as people type or paste it', () => {
    for (const text of ['7KQ2XYZ', '7kq2xyz', ' 7KQ2XYZ ']) assert.ok(finds(text), text)
    assert.ok(finds('450 4.7.1 Too many messages, try again in 5 minutes (sluice sender 7KQ2XYZ)'))
    assert.ok(finds('OIL2XYZ', {}, [decision({ ref: '0112XYZ' })]))
    assert.ok(!finds('7KQ2XYA'))
  })

  it('an address, folded or not, as sender, recipient or account', () => {
    const sender = foldSender('List+tag', 'Example.com')
    for (const text of ['list@example.com', 'LIST+tag@example.com', '<list@example.com>']) {
      assert.ok(finds(text, { sender }), text)
    }
    assert.ok(finds('You@example.net', { recipient: foldRecipient('you+x', 'example.net') }))
    assert.ok(finds('carol@example.org', { account: 'carol@example.org' }))
    assert.ok(finds('<>', { sender: { address: '<>', domain: '', organisation: '' } }))
    assert.ok(!finds('other@example.com'))
  })

  it('an IP address or a network', () => {
    assert.ok(finds('192.0.2.1'))
    assert.ok(finds('::ffff:192.0.2.1'))
    assert.ok(finds('192.0.2.0/24'))
    assert.ok(!finds('192.0.2.10'))
    const client = { ip: '2001:db8::1', address: parseIp('2001:db8::1')!, trusted: false }
    assert.ok(finds('2001:DB8:0::1', { client }))
    assert.ok(finds('2001:db8::/32', { client }))
  })

  it('a session, a transaction, a key, a domain, an account', () => {
    assert.ok(finds('0e1f2a3b-0000-4000-8000-000000000001'))
    assert.ok(finds('0E1F2A3B-0000-4000-8000-000000000001.1'))
    assert.ok(!finds('0E1F2A3B-0000-4000-8000-000000000001.2'))
    assert.ok(finds('sender|list@example.com'))
    assert.ok(finds('example.com'))
    assert.ok(!finds('xample.com'))
    assert.ok(finds('carol', { account: 'carol' }))
    assert.ok(finds('Charlie', { account: 'charlie' }), 'seven letters that might be a reference')
  })

  it('nothing', () => assert.equal(readQuery('  '), undefined))
})

import assert from 'node:assert/strict'
import { heloFault } from '../../../src/dns/helo'
import { FAILED, MISSING, type ReverseFacts, reverseFacts } from '../../../src/dns/reverse'
import { parseIp } from '../../../src/keys/address'

describe('HELO', () => {
  const client = parseIp('192.0.2.7')!
  const named = reverseFacts(client, ['out3.example.co.uk'], [], true)
  const fault = (helo: string, reverse: ReverseFacts | undefined = named, from = client) =>
    heloFault({ helo, client: from, ownNames: ['mx.local.test'], reverse })

  for (const [helo, expected] of [
    ['[192.0.2.7]', undefined],
    ['192.0.2.7', undefined],
    ['[192.0.2.8]', 'address'],
    ['192.0.2.8', 'address'],
    ['[IPv6:2001:db8::1]', 'address'],
    ['[nonsense]', 'address'],
    ['[]', 'address'],
    ['localhost', 'bare'],
    ['WIN-ABC123', 'bare'],
    ['', 'bare'],
    ['mx.local.test', 'ours'],
    ['MX.Local.Test.', 'ours'],
    ['out3.example.co.uk', undefined],
    ['mail.example.co.uk', undefined],
    ['example.co.uk', undefined],
    ['mail.other.co.uk', 'mismatch'],
  ] as const)
    it(`${expected === undefined ? 'finds nothing odd in' : `calls ${expected}`} ${helo}`, () =>
      assert.equal(fault(helo), expected))

  it('compares IPv6 however it is written', () => {
    const from = parseIp('2001:db8::1')!
    assert.equal(fault('[IPv6:2001:0DB8:0::1]', named, from), undefined)
    assert.equal(fault('[IPv6:2001:db8::2]', named, from), 'address')
    assert.equal(fault('[192.0.2.7]', named, from), 'address')
  })

  it('compares with no name that is not known', () => {
    assert.equal(fault('mail.other.test', MISSING), undefined)
    assert.equal(fault('mail.other.test', FAILED), undefined)
    assert.equal(heloFault({ helo: 'mail.other.test', client, ownNames: [], reverse: undefined }), undefined)
  })
})

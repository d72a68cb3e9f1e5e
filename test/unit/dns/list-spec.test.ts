import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  ANY_CODE,
  type ListZone,
  addressQuestion,
  domainQuestion,
  labelOf,
  matchesCode,
  parseCodePattern,
  refusalIn,
  reversed,
} from '../../../src/dns/list-spec'
import { parseIp } from '../../../src/keys/address'

describe('DNS list', () => {
  const zone: ListZone = {
    ...{ zone: 'list.test', label: 'list.test', kind: 'ip', on: ['client'], ban: false, test: '127.0.0.2' },
    codes: [{ pattern: ANY_CODE, weight: 1 }],
  }
  const byte = fc.integer({ min: 0, max: 255 })

  describe('pattern of codes', () => {
    it('matches as postscreen does', () => {
      const pattern = parseCodePattern('127.0.[0;2].[2..4;10]')!
      for (const code of ['127.0.0.2', '127.0.0.4', '127.0.2.3', '127.0.2.10'])
        assert.ok(matchesCode(pattern, code), code)
      for (const code of ['127.0.0.1', '127.0.0.5', '127.0.1.2', '127.1.0.2', '126.0.0.2'])
        assert.ok(!matchesCode(pattern, code), code)
      assert.ok(matchesCode(parseCodePattern('127.0.0.2')!, '127.0.0.2'))
    })

    it('is refused when it cannot be', () => {
      for (const text of [
        ...['', '127.0.0', '127.0.0.2.1', '127.0.0.256', '127.0.0.[4..2]', '127.0.0.[]', '127.0.0.[2..]', '127.0.0.*'],
        ...['127.0.0.[2,4]', '127.0.0.2..4', '127.0.0.[2', '127.0.0.2]', '127.0.0.[2..300]', ' 127.0.0.2', 'a.b.c.d'],
      ])
        assert.equal(parseCodePattern(text), undefined, text)
    })

    it('matches exactly the numbers it names', () => {
      fc.assert(
        fc.property(fc.uniqueArray(byte, { minLength: 1, maxLength: 6 }), byte, byte, (named, first, tried) => {
          const low = Math.min(first, ...named)
          const pattern = parseCodePattern(`127.0.${named[0]}.[${named.join(';')};${low}..${first}]`)!
          const expected = named.includes(tried) || (tried >= low && tried <= first)
          assert.equal(matchesCode(pattern, `127.0.${named[0]}.${tried}`), expected)
        }),
      )
    })

    it('reads any text without an error, and in time', () => {
      fc.assert(fc.property(fc.string(), (text) => void parseCodePattern(text)))
      const started = performance.now()
      assert.equal(parseCodePattern(`127.0.0.[${'1;'.repeat(50_000)}`), undefined)
      assert.ok(performance.now() - started < 500)
    })
  })

  it('turns addresses around', () => {
    assert.equal(reversed(parseIp('192.0.2.1')!), '1.2.0.192')
    assert.equal(
      reversed(parseIp('2001:db8:1:2:3:4:567:89ab')!),
      'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2',
    )
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        assert.equal(reversed(parseIp(text)!).split('.').reverse().join('.'), text)
      }),
    )
    fc.assert(
      fc.property(fc.array(byte, { minLength: 16, maxLength: 16 }), (bytes) => {
        const hex = reversed({ family: 6, bytes }).split('.').reverse().join('')
        assert.deepEqual([...Buffer.from(hex, 'hex')], bytes)
      }),
    )
  })

  it('is asked about addresses that the world sees, and no other', () => {
    assert.equal(addressQuestion(zone, parseIp('192.0.2.1')!), '1.2.0.192.list.test')
    for (const ip of ['10.1.2.3', '127.0.0.1', '192.168.0.1', '169.254.1.1', '::1', 'fd00::1', 'fe80::1', '0.0.0.0'])
      assert.equal(addressQuestion(zone, parseIp(ip)!), undefined, ip)
  })

  it('is asked about the organisational domain, and never about an address', () => {
    assert.equal(domainQuestion(zone, 'mail.Example.co.uk.'), 'example.co.uk.list.test')
    assert.equal(domainQuestion(zone, 'bücher.example.org'), 'example.org.list.test')
    assert.equal(domainQuestion(zone, 'bücher.de'), 'xn--bcher-kva.de.list.test')
    for (const name of [
      '192.0.2.1',
      '[192.0.2.1]',
      'localhost',
      '',
      'a b.test',
      '2001:db8::1',
      'x..test',
      `a.${'b'.repeat(64)}`,
    ])
      assert.equal(domainQuestion(zone, name), undefined, name)
    const long = `${'a'.repeat(63)}.${'b'.repeat(63)}`
    assert.equal(domainQuestion({ ...zone, zone: `${'c'.repeat(63)}.${'d'.repeat(63)}` }, long), undefined)
  })

  it('tells a listing from a refusal', () => {
    for (const code of ['127.0.0.2', '127.0.0.11', '127.0.1.2', '127.0.1.106', '127.0.5.3', '127.0.0.254'])
      assert.equal(refusalIn([code]), undefined, code)
    for (const code of [
      ...['127.255.255.252', '127.255.255.254', '127.255.255.255', '127.0.1.255', '127.0.0.1', '127.0.10.3'],
      ...['127.0.0.255', '192.0.2.1', '0.0.0.0', '12.7.0.0'],
    ])
      assert.equal(refusalIn(['127.0.0.2', code]), code)
  })

  it('shows no key', () => {
    assert.equal(labelOf('abcdefghijklmnopqrst0123456.zen.dq.spamhaus.net'), '***.zen.dq.spamhaus.net')
    assert.equal(labelOf('zen.spamhaus.org'), 'zen.spamhaus.org')
    assert.equal(labelOf('b.barracudacentral.org'), 'b.barracudacentral.org')
  })
})

import assert from 'node:assert/strict'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { type Cidr, CidrMap, isPrivate, parseCidr, parseIp, prefixText } from '../../../src/keys/address'

const ip = (text: string) => parseIp(text) ?? assert.fail(`${text} is no address`)
const cidr = (text: string) => parseCidr(text) ?? assert.fail(`${text} is no network`)

describe('addresses', () => {
  it('are IPv4 in four decimal parts, or IPv6', () => {
    assert.deepEqual([ip('192.0.2.1').family, ip('192.0.2.1').bytes], [4, [192, 0, 2, 1]])
    assert.equal(ip('2001:db8::1').family, 6)
    assert.equal(ip('2001:db8::1').bytes.length, 16)
  })

  it('are unmapped when IPv4 is written as IPv6', () => {
    for (const text of ['::ffff:192.0.2.1', '::ffff:c000:201', '0:0:0:0:0:ffff:c000:0201', '::FFFF:192.0.2.1']) {
      assert.deepEqual(ip(text).bytes, [192, 0, 2, 1], text)
    }
    assert.equal(prefixText(ip('::ffff:192.0.2.1'), 24), '192.0.2.0/24')
  })

  it('are private where the registries say that nobody else has them', () => {
    const ranges = ['private', 'loopback', 'linkLocal', 'uniqueLocal', 'carrierGradeNat', 'unspecified']
    for (let first = 0; first < 256; first++) {
      for (let second = 0; second < 256; second++) {
        for (const last of [0, 1, 2]) {
          const four = [first, second, 0, last]
          const six = [first, second, ...Array<number>(13).fill(0), last]
          const expected = [new ipaddr.IPv4(four), new ipaddr.IPv6(six)].map((address) =>
            ranges.includes(address.range()),
          )
          const found = [isPrivate({ family: 4, bytes: four }), isPrivate({ family: 6, bytes: six })]
          if (found.join() !== expected.join()) assert.fail(`${four.join('.')} or ${six.join('.')}`)
        }
      }
    }
  })

  it('keep their meaning with a zone', () => {
    assert.equal(prefixText(ip('fe80::1%eth0'), 64), 'fe80::/64')
  })

  it('are nothing else, in particular no shorthand of inet_aton', () => {
    const shorthand = ['10', '10.1', '10.0.1', '0x7f.0.0.1', '010.0.0.1', '4294967295', '1.2.3.4.', '1.2.3']
    for (const text of [
      ...shorthand,
      '',
      ' ',
      '256.0.0.1',
      '1.2.3.4 ',
      '[::1]',
      ':::',
      'g::1',
      'example.com',
      '1.2.3.4/8',
    ]) {
      assert.equal(parseIp(text), undefined, text)
    }
  })

  it('have ranges by prefix length, as text', () => {
    const v4 = ip('203.0.113.255')
    assert.deepEqual(
      [32, 26, 24, 21, 1, 0].map((bits) => prefixText(v4, bits)),
      ['203.0.113.255', '203.0.113.192/26', '203.0.113.0/24', '203.0.112.0/21', '128.0.0.0/1', '0.0.0.0/0'],
    )
    const v6 = ip('2001:db8:ffff:ffff:ffff::1')
    assert.deepEqual(
      [128, 64, 48, 47, 32, 0].map((bits) => prefixText(v6, bits)),
      [
        '2001:db8:ffff:ffff:ffff::1',
        '2001:db8:ffff:ffff::/64',
        '2001:db8:ffff::/48',
        '2001:db8:fffe::/47',
        '2001:db8::/32',
        '::/0',
      ],
    )
  })

  it('of one range have one text, of two ranges two', () => {
    const octets = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(octets, octets, fc.integer({ min: 0, max: 32 }), (a, b, bits) => {
        const number = (bytes: number[]) => bytes.reduce((sum, byte) => sum * 256 + byte, 0)
        const same = Math.floor(number(a) / 2 ** (32 - bits)) === Math.floor(number(b) / 2 ** (32 - bits))
        assert.equal(prefixText(ip(a.join('.')), bits) === prefixText(ip(b.join('.')), bits), same)
      }),
    )
  })
})

describe('networks', () => {
  const text = ({ bytes, bits }: Cidr) => `${bytes.join('.')}/${bits}`

  it('are read with host bits cleared; a single address is a network of one', () => {
    assert.equal(text(cidr('192.0.2.7/24')), '192.0.2.0/24')
    assert.equal(text(cidr('192.0.2.7')), '192.0.2.7/32')
    assert.equal(text(cidr('0.0.0.0/0')), '0.0.0.0/0')
    assert.equal(cidr('2001:db8::1').bits, 128)
    assert.equal(cidr('::/0').bits, 0)
  })

  it('written as IPv4-mapped are IPv4', () => {
    assert.equal(text(cidr('::ffff:192.0.2.0/120')), '192.0.2.0/24')
    assert.equal(text(cidr('::ffff:0:0/96')), '0.0.0.0/0')
    assert.equal(parseCidr('::ffff:192.0.2.0/90'), undefined)
  })

  it('are nothing else', () => {
    const wrong = ['', '/', '/8', '10/8', '10.0/8', '192.0.2.0/', '192.0.2.0/33', '192.0.2.0/-1', '192.0.2.0/2.5']
    for (const network of [
      ...wrong,
      '192.0.2.0/24/24',
      '2001:db8::/129',
      '192.0.2.0/0x8',
      '192.0.2.0/ 8',
      '1.2.3.4/1e1',
    ]) {
      assert.equal(parseCidr(network), undefined, network)
    }
  })

  it('hold values; the longest that contains an address wins', () => {
    const map = new CidrMap([
      [cidr('0.0.0.0/0'), 'all'],
      [cidr('10.0.0.0/8'), 'ten'],
      [cidr('10.1.2.3'), 'one'],
      [cidr('10.1.0.0/16'), 'sixteen'],
      [cidr('2001:db8::/32'), 'six'],
    ])
    const found = ['192.0.2.1', '10.2.0.1', '10.1.0.1', '10.1.2.3', '::ffff:10.1.2.3', '2001:db8:1::1', '2001:db9::1']
    assert.deepEqual(
      found.map((address) => map.find(ip(address))),
      ['all', 'ten', 'sixteen', 'one', 'one', 'six', undefined],
    )
  })

  it('hold the last value given for one range, and nothing when there is none', () => {
    const map = new CidrMap([
      [cidr('192.0.2.0/24'), 1],
      [cidr('192.0.2.99/24'), 2],
    ])
    assert.equal(map.find(ip('192.0.2.1')), 2)
    assert.equal(map.empty, false)
    assert.equal(new CidrMap().empty, true)
    assert.equal(new CidrMap().find(ip('192.0.2.1')), undefined)
  })
})

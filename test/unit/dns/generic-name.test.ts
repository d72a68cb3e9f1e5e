import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isGenericName } from '../../../src/dns/generic-name'
import { parseIp } from '../../../src/keys/address'

describe('generic name', () => {
  const v4 = parseIp('198.51.100.7')!
  const v6 = parseIp('2001:db8:1:2:a1b2:c3d4:e5f6:789a')!
  const shortV6 = parseIp('2001:db8:77::25')!

  for (const name of [
    '198-51-100-7.isp.example',
    '198.51.100.7.isp.example',
    '7.100.51.198.isp.example',
    'host-7-100-51-198.isp.example',
    'ip198-51-100-7.us-east-2.compute.example.com',
    'ec2-198-51-100-7.compute-1.amazonaws.com',
    'h198051100007.isp.example',
    '198x51x100x7.isp.example',
    'c6336407.isp.example',
    'p076433c6.isp.example',
    'host-51-100-7.198.isp.example',
    'dyn-12.isp.example',
    'dhcp77.isp.example',
    'line5.pool.isp.example',
    'a.adsl.isp.co.uk',
    'static-pool-7.isp.example',
    'c-1-2-3.hsd1.ca.comcast.net',
    'modemcable007.100-51.mc.videotron.ca',
    'p4fd0c2.dip0.t-ipconnect.de',
    'cpe-1.isp.example',
    'LINE5.ADSL.ISP.EXAMPLE',
  ])
    it(`is ${name}`, () => assert.ok(isGenericName(name, v4)))

  for (const name of [
    'mail.example.com',
    'mx1.example.co.uk',
    'mta-51.example.com',
    'mail-198.example.com',
    'o1.ptr2625.sendgrid.example',
    'mail-wm1-f51.google.com',
    'mail-dm6nam10on2071.outbound.protection.outlook.com',
    'a7-100.smtp-out.eu-west-1.amazonses.com',
    'static-198-51-100-7.isp.example',
    'pooling.example.com',
    'dynamics.example.com',
    'cabletown.com',
    'dsl.com',
    'example.com',
    'spool.example.com',
    '',
    '...',
  ])
    it(`is not ${name === '' ? 'the empty one' : name}`, () => assert.ok(!isGenericName(name, v4)))

  it('says an IPv6 address in several ways', () => {
    for (const name of [
      '2001-db8-1-2-a1b2-c3d4-e5f6-789a.isp.example',
      '20010db800010002a1b2c3d4e5f6789a.isp.example',
      'a.9.8.7.6.f.5.e.4.d.3.c.2.b.1.a.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.isp.example',
      'a1b2c3d4e5f6789a.isp.example',
      'host-a1b2-c3d4-e5f6-789a.v6.isp.example',
    ])
      assert.ok(isGenericName(name, v6), name)
    assert.ok(isGenericName('2001-db8-77--25.isp.example', shortV6))
    assert.ok(isGenericName('2001-0db8-0077-0000-0000-0000-0000-0025.isp.example', shortV6))
    for (const name of [
      'mail.example.com',
      'mx25.example.com',
      'v6-25.example.com',
      'face.example.com',
      'db8-25.example.com',
    ])
      for (const address of [v6, shortV6]) assert.ok(!isGenericName(name, address), name)
  })

  it('finds every address in its own name', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.constantFrom('-', '.', '_', 'x'), fc.boolean(), (ip, separator, backwards) => {
        const octets = ip.split('.')
        const said = (backwards ? octets.reverse() : octets).join(separator)
        assert.ok(isGenericName(`h${said}.isp.example`, parseIp(ip)!))
      }),
    )
  })

  it('takes its time neither with long names nor with odd ones', () => {
    const started = performance.now()
    for (const part of ['1-', 'a', '0', '198-51-', 'f', '.', 'dsl1']) {
      for (const address of [v4, v6]) isGenericName(`${part.repeat(100_000 / part.length)}.isp.example`, address)
    }
    assert.ok(performance.now() - started < 1000)
    fc.assert(fc.property(fc.string(), (name) => void isGenericName(name, v4)))
  })
})

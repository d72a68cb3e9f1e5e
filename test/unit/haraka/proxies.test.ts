import assert from 'node:assert/strict'
import { Proxies } from '../../../src/haraka/proxies'
import { addressOf } from '../gates/jail/fixtures'

describe('proxies of Haraka', () => {
  function open(files: Record<string, unknown>) {
    let now = 0
    const proxies = new Proxies({ get: (name) => files[name] }, () => now)
    return {
      has: (ip: string) => proxies.has(addressOf(ip)),
      pass: (ms: number) => (now += ms),
    }
  }

  it('are those of connection.ini and xclient.hosts, as Haraka reads them', () => {
    const { has } = open({
      'connection.ini': { haproxy: { hosts: ['192.0.2.7', '198.51.100.0/24', '2001:db8:0:1::5', 'nonsense'] } },
      'xclient.hosts': ['203.0.113.9', '2001:db8:0:2::5'],
    })
    for (const ip of ['192.0.2.7', '198.51.100.3', '2001:db8:0:1:ffff::1', '203.0.113.9', '2001:db8:0:2::5']) {
      assert.equal(has(ip), true, ip)
    }
    for (const ip of ['192.0.2.8', '2001:db8:0:2::6', '2001:db8:0:3::5']) assert.equal(has(ip), false, ip)
  })

  it('are none where neither file says any', () => {
    assert.equal(open({}).has('192.0.2.7'), false)
    assert.equal(open({ 'connection.ini': { haproxy: { hosts: '192.0.2.7' } } }).has('192.0.2.7'), true)
  })

  it('are read again after a while', () => {
    const files: Record<string, unknown> = {}
    const { has, pass } = open(files)
    assert.equal(has('192.0.2.7'), false)
    files['xclient.hosts'] = ['192.0.2.7']
    pass(9999)
    assert.equal(has('192.0.2.7'), false)
    pass(1)
    assert.equal(has('192.0.2.7'), true)
  })
})

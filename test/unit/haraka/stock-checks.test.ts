import assert from 'node:assert/strict'
import { foundByFcrdns, foundByHeloChecks } from '../../../src/haraka/stock-checks'
import type { Connection } from '../../../src/haraka/types'
import { parseIp } from '../../../src/keys/address'

describe('what other plugins have found', () => {
  const client = parseIp('192.0.2.7')!
  const noted = (name: string, result: object | undefined) =>
    ({ results: { get: (asked: string) => (asked === name ? result : undefined) } }) as unknown as Connection
  // What haraka-plugin-fcrdns notes when the client connects, before it has asked.
  const begun = { fcrdns: [], ptr_names: [], has_rdns: false }
  const fcrdns = (result: object | undefined) => foundByFcrdns(noted('fcrdns', result), client)

  it('is nothing before they have asked', () => {
    assert.equal(fcrdns(undefined), undefined)
    assert.equal(fcrdns(begun), undefined)
    assert.equal(fcrdns({ ...begun, skip: ['private_ip'] }), undefined)
  })

  it('is what they know of the names', () => {
    const names = ['Mail.Example.com', 'www.example.com']
    assert.deepEqual(fcrdns({ ...begun, has_rdns: true, ptr_names: names, fcrdns: ['Mail.Example.com'] }), {
      ...{ state: 'named', names: ['mail.example.com', 'www.example.com'], confirmed: ['mail.example.com'] },
      ...{ complete: true, generic: false },
    })
    assert.equal(fcrdns({ ...begun, fail: ['has_rdns'] })!.state, 'missing')
    assert.equal(fcrdns({ ...begun, err: ['ETIMEOUT'] })!.state, 'failed')
    assert.equal(fcrdns({ ...begun, has_rdns: true, ptr_names: names, err: ['timeout'] })!.complete, false)
    assert.equal(fcrdns({ ...begun, has_rdns: true, ptr_names: Array<string>(99).fill('a.test') })!.names.length, 10)
  })

  it('is the gravest fault of HELO', () => {
    const fault = (...fail: string[]) => foundByHeloChecks(noted('helo.checks', { fail }))
    assert.equal(fault('rdns_match', 'valid_hostname(no_dot)'), 'bare')
    assert.equal(fault('rdns_match', 'literal_mismatch'), 'address')
    assert.equal(fault('bare_ip(invalid literal)'), 'address')
    assert.equal(fault('rdns_match'), 'mismatch')
    assert.equal(fault('forward_dns(no IP match)', 'rdns_match(literal)'), undefined)
    assert.equal(foundByHeloChecks(noted('helo.checks', undefined)), undefined)
  })
})

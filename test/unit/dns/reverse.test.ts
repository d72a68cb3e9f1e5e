import assert from 'node:assert/strict'
import { lookupReverse } from '../../../src/dns/reverse'
import { DnsResolver } from '../../../src/dns/resolver'
import { parseIp } from '../../../src/keys/address'
import { DnsServer, SERVFAIL, recordOf } from '../../support/dns-server'

describe('reverse names', () => {
  let server: DnsServer
  let resolver: DnsResolver
  const client = parseIp('192.0.2.7')!
  const PTR = 'PTR 7.2.0.192.in-addr.arpa'

  beforeEach(async () => {
    server = await DnsServer.start()
    resolver = new DnsResolver({ servers: [server.address], deadlineMs: 600 })
  })
  afterEach(async () => {
    resolver.close()
    await server.close()
  })

  it('are confirmed when they lead back', async () => {
    server.records({
      [PTR]: ['Mail.Example.test', 'www.example.test'],
      'A mail.example.test': ['192.0.2.6', '192.0.2.7'],
      'A www.example.test': ['192.0.2.80'],
    })
    const facts = await lookupReverse(resolver, client)
    assert.deepEqual([...facts.names].sort(), ['mail.example.test', 'www.example.test'])
    assert.deepEqual(
      { ...facts, names: [] },
      { state: 'named', names: [], confirmed: ['mail.example.test'], complete: true, generic: false },
    )
  })

  it('are looked up for IPv6 too, however the address is written', async () => {
    server.records({
      'PTR 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': ['mail.example.test'],
      'AAAA mail.example.test': ['2001:db8::1'],
    })
    const { confirmed } = await lookupReverse(resolver, parseIp('2001:0DB8:0:0::0001')!)
    assert.deepEqual(confirmed, ['mail.example.test'])
  })

  it('may be missing', async () => {
    assert.equal((await lookupReverse(resolver, client)).state, 'missing')
    server.records({ [PTR]: ['not a name'] })
    assert.equal((await lookupReverse(resolver, parseIp('192.0.2.8')!)).state, 'missing')
  })

  it('say nothing when DNS is ill', async () => {
    server.serve('in-addr.arpa', () => SERVFAIL)
    assert.equal((await lookupReverse(resolver, client)).state, 'failed')
  })

  it('say nothing of what could not be looked up', async () => {
    server.records({ [PTR]: ['mail.example.test'] })
    server.serve('mail.example.test', () => SERVFAIL)
    const facts = await lookupReverse(resolver, client)
    assert.deepEqual([facts.state, facts.confirmed, facts.complete], ['named', [], false])
  })

  it('keep to the deadline', async () => {
    server.records({ [PTR]: ['mail.example.test'] })
    server.serve('mail.example.test', ({ name }) => ({ delayMs: 500, answers: [recordOf('A', name, '192.0.2.7')] }))
    const started = performance.now()
    const facts = await lookupReverse(resolver, client, 150)
    assert.ok(performance.now() - started < 450)
    assert.equal(facts.complete, false)
    server.serve('in-addr.arpa', () => ({ silent: true }))
    assert.equal((await lookupReverse(resolver, parseIp('192.0.2.9')!, 100)).state, 'failed')
  })

  it('are ten at most', async () => {
    server.records({ [PTR]: Array.from({ length: 30 }, (_, index) => `h${index}.example.test`) })
    const { names } = await lookupReverse(resolver, client)
    assert.equal(names.length, 10)
    assert.equal(server.count('.example.test', 'A'), 10)
  })

  it('are generic when all that are true look like it', async () => {
    server.records({
      [PTR]: ['192-0-2-7.isp.test', 'mail.example.test'],
      'A 192-0-2-7.isp.test': ['192.0.2.7'],
    })
    assert.equal((await lookupReverse(resolver, client)).generic, true, 'the other one is not true')
    server.records({ 'A mail.example.test': ['192.0.2.7'] })
    resolver.forget('example.test')
    assert.equal((await lookupReverse(resolver, client)).generic, false)
  })
})

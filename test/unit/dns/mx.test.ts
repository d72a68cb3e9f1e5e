import assert from 'node:assert/strict'
import type { Answer } from 'dns-packet'
import { type MailHosts, lookupMx } from '../../../src/dns/mx'
import { DnsResolver } from '../../../src/dns/resolver'
import { DnsServer, NXDOMAIN, type Reply, SERVFAIL } from '../../support/dns-server'

describe('the hosts that take the mail of a domain', () => {
  let dns: DnsServer
  let resolver: DnsResolver
  beforeEach(async () => {
    dns = await DnsServer.start()
    resolver = new DnsResolver({ servers: [dns.address], deadlineMs: 500 })
  })
  afterEach(async () => {
    resolver.close()
    await dns.close()
  })

  function mx(...exchanges: readonly (readonly [number, string])[]): Reply {
    const answers = exchanges.map(([preference, exchange]): Answer => ({
      type: 'MX',
      name: 'd.test',
      ttl: 300,
      data: { preference, exchange },
    }))
    return { answers }
  }

  async function lookup(replies: Readonly<Record<string, Reply>>): Promise<MailHosts> {
    dns.serve('d.test', ({ type }) => replies[type] ?? {})
    return lookupMx(resolver, 'd.test')
  }

  it('come by preference, each once, in lower case', async () => {
    const found = await lookup({ MX: mx([20, 'B.test'], [10, 'a.test'], [30, 'a.test']) })
    assert.deepEqual(found, {
      kind: 'mx',
      hosts: [
        { host: 'a.test', preference: 10 },
        { host: 'b.test', preference: 20 },
      ],
    })
  })

  it('are the domain itself where it has an address alone', async () => {
    const answers: Answer[] = [{ type: 'AAAA', name: 'd.test', ttl: 300, data: '2001:db8::1' }]
    assert.deepEqual(await lookup({ AAAA: { answers } }), {
      kind: 'implicit',
      hosts: [{ host: 'd.test', preference: 0 }],
    })
  })

  it('are none where the domain says so with a null MX', async () => {
    assert.deepEqual(await lookup({ MX: mx([0, '.']) }), { kind: 'null' })
  })

  it('are the others where a null MX stands beside them', async () => {
    const found = await lookup({ MX: mx([0, '.'], [10, 'a.test']) })
    assert.deepEqual(found, { kind: 'mx', hosts: [{ host: 'a.test', preference: 10 }] })
  })

  it('are none where the name does not exist', async () => {
    const found = await lookup({ MX: NXDOMAIN, A: NXDOMAIN, AAAA: NXDOMAIN })
    assert.deepEqual(found, { kind: 'none', why: 'it has neither MX records nor an address' })
  })

  it('are none where the records name no host', async () => {
    assert.equal((await lookup({ MX: mx([10, 'not a host.test']) })).kind, 'none')
  })

  it('are none of what is no name, such as an address: DNS cannot be asked for it, now or later', async () => {
    for (const domain of ['[192.0.2.1]', '[ipv6:2001:db8::1]', '', 'a b.test', `${'a'.repeat(64)}.test`]) {
      const found = await lookupMx(resolver, domain)
      assert.deepEqual(found, { kind: 'none', why: 'it is no name that DNS can be asked for' }, domain)
    }
  })

  it('are not known where DNS fails, for MX and for addresses', async () => {
    assert.deepEqual(await lookup({ MX: SERVFAIL }), { kind: 'failed', reason: 'servfail' })
    const other = new DnsResolver({ servers: [dns.address], deadlineMs: 500 })
    dns.serve('d.test', ({ type }) => (type === 'MX' ? {} : SERVFAIL))
    assert.deepEqual(await lookupMx(other, 'd.test'), { kind: 'failed', reason: 'servfail' })
    other.close()
  })
})

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Answer } from 'dns-packet'
import { DnsServer, SERVFAIL } from '../../support/dns-server'
import { sluice } from './command'

describe('sluice egress resolve', () => {
  let dir: string
  let dns: DnsServer

  beforeEach(async () => {
    dns = await DnsServer.start()
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-egress-'))
    mkdirSync(path.join(dir, 'config/sluice'), { recursive: true })
    writeFileSync(path.join(dir, 'config/sluice.yaml'), `dns: {servers: ['${dns.address}'], timeout: 500ms}\n`)
  })
  afterEach(async () => {
    rmSync(dir, { recursive: true })
    await dns.close()
  })

  function serve(domain: string, ...exchanges: readonly string[]): void {
    const answers = exchanges.map((exchange): Answer => ({
      type: 'MX',
      name: domain,
      ttl: 300,
      data: { preference: 10, exchange },
    }))
    dns.serve(domain, ({ type }) => (type === 'MX' ? { answers } : {}))
  }

  const resolve = (...args: readonly string[]) => sluice('egress', 'resolve', ...args, '--dir', dir)

  it('asks DNS and says path, provider and where every figure comes from', async () => {
    serve('example.com', 'aspmx.l.google.com', 'alt1.aspmx.l.google.com')
    writeFileSync(path.join(dir, 'config/sluice/providers.yaml'), 'domains: {example.com: {unset: [message_rate]}}\n')
    const { code, stdout } = await resolve('someone@Example.com')
    assert.equal(code, 0)
    assert.match(stdout, /^path +egress\|default\|@example\.com$/m, 'a domain with a rate of its own')
    assert.match(stdout, /^provider +google$/m)
    assert.match(stdout, /^connections +5 +provider google +\S*providers\.yaml:\d+ +KumoMTA shaping, 2026-08$/m)
    assert.match(stdout, /^message_rate +no limit +domain example\.com +config\/sluice\/providers\.yaml:1$/m)
    assert.match(stdout, /^timeouts\.dot +10 min +default +\S+:\d+ +RFC 5321 §4\.5\.3\.2, 2008-10$/m)
    assert.match(stdout, /^retry\.jitter +20% /m)
  })

  it('says the same as JSON, for hosts that are given', async () => {
    const { code, stdout } = await resolve('example.com', '--mx', 'mx2.a.test, MX1.a.test', '--json')
    assert.equal(code, 0)
    const found = JSON.parse(stdout) as {
      path: string
      site: string
      provider?: string
      profile: { connections: number }
    }
    assert.deepEqual(
      [found.path, found.site, found.provider, found.profile.connections],
      ['egress|default|mx1.a.test+mx2.a.test', 'mx1.a.test+mx2.a.test', undefined, 10],
    )
    assert.deepEqual(dns.questions, [])
  })

  it('takes the domain itself where it has no MX record', async () => {
    dns.records({ 'A example.com': ['192.0.2.1'] })
    const { code, stdout } = await resolve('someone@example.com')
    assert.deepEqual([code, /^site +example\.com$/m.test(stdout)], [0, true])
  })

  it('takes a domain in Unicode, as mail does', async () => {
    serve('xn--mller-kva.example', 'mx.xn--mller-kva.example')
    const { code, stdout } = await resolve('someone@Müller.example')
    assert.deepEqual([code, /^domain +xn--mller-kva\.example$/m.test(stdout)], [0, true])
  })

  it('knows the sources that mail is sent from, and no others', async () => {
    const { code, stderr } = await resolve('example.com', '--mx', 'mx.example.com', '--source', 'nobody')
    assert.equal(code, 2)
    assert.match(stderr, /^sluice: no source is called nobody: egress\.sources in config\/sluice\.yaml has default/)
  })

  it('says that a domain takes no mail', async () => {
    serve('example.com', '.')
    const { code, stderr } = await resolve('someone@example.com')
    assert.deepEqual([code, stderr], [1, 'sluice: example.com takes no mail: it has a null MX (RFC 7505)\n'])
    const absent = await resolve('someone@example.net')
    assert.equal(absent.stderr, 'sluice: example.net takes no mail: it has neither MX records nor an address\n')
  })

  it('says that DNS does not say', async () => {
    dns.serve('example.com', () => SERVFAIL)
    const { code, stderr } = await resolve('someone@example.com')
    assert.equal(code, 1)
    assert.match(stderr, /^sluice: DNS does not say where mail to example\.com goes \(servfail\): try again/)
  })

  it('names every mistake of the files', async () => {
    writeFileSync(path.join(dir, 'config/sluice/providers.yaml'), 'providers: {mine: {}}\n')
    const { code, stderr } = await resolve('someone@example.com')
    assert.equal(code, 1)
    assert.match(stderr, /config\/sluice\/providers\.yaml:1:13 providers\.mine: can never match/)
  })

  for (const args of [['@example.com'], ['a b'], ['192.0.2.1'], ['example.com', '--mx', 'a,,b']]) {
    it(`exits with 2 on wrong usage: ${args.join(' ')}`, async () => assert.equal((await resolve(...args)).code, 2))
  }
})

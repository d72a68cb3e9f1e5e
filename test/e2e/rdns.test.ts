import assert from 'node:assert/strict'
import { DnsServer, SERVFAIL } from '../support/dns-server'
import { HarakaServer } from '../support/haraka'
import { SmtpClient } from '../support/smtp-client'

const PLUGINS = [
  'sluice/plugins/rdns',
  'sluice/plugins/score',
  'no_rdns',
  'witness',
  'rcpt_to.in_host_list',
  'queue/discard',
]

const WITNESS = `exports.hook_data = function (next, connection) {
  connection.lognotice(this, 'parts of ' + connection.remote.ip + ': ' + connection.results.get('sluice')?.parts)
  next()
}
`
/** Notes what haraka-plugin-fcrdns and haraka-plugin-helo.checks do, without DNS. */
const FCRDNS = `exports.hook_lookup_rdns = function (next, connection) {
  connection.results.add({ name: 'fcrdns' }, { has_rdns: true, ptr_names: ['dhcp7.isp.test'], fcrdns: [] })
  connection.results.add({ name: 'helo.checks' }, { fail: 'rdns_match' })
  next()
}
`

describe('reverse names, end to end', function () {
  this.timeout(60_000)
  let dns: DnsServer
  let server: HarakaServer

  beforeEach(async () => {
    dns = await DnsServer.start()
  })
  afterEach(async () => {
    await server.remove()
    await dns.close()
  })

  async function start(rdns: string, plugins = PLUGINS): Promise<void> {
    server = await HarakaServer.start({
      sluice: `store: memory\ntrusted: []\ndns: {servers: ['${dns.address}'], timeout: 700ms}\nrdns: ${rdns}\nscore: {defer: 100}\n`,
      plugins,
      files: { '../plugins/witness.js': WITNESS, '../plugins/fcrdns.js': FCRDNS },
    })
  }

  async function sendFrom(ip: string, helo = 'mail.sender.test'): Promise<string> {
    const client = await SmtpClient.connect(server.port, ip)
    await client.reply()
    await client.say(`EHLO ${helo}`)
    const { text } = await client.send('a@sender.test', 'u@local.test')
    await client.quit()
    return text
  }

  const partsOf = async (ip: string) => (await server.waitForLog(new RegExp(`parts of ${ip}: (.*)`)))[1]!

  it('are points of the score', async () => {
    dns.records({
      'PTR 1.2.0.192.in-addr.arpa': ['mail.sender.test'],
      'A mail.sender.test': ['192.0.2.1'],
      'PTR 2.2.0.192.in-addr.arpa': ['dsl-2.isp.test'],
    })
    await start('{}')
    assert.match(await sendFrom('192.0.2.1'), /^250 /)
    assert.equal((await partsOf('192.0.2.1')).trim(), '')
    assert.match(await sendFrom('192.0.2.2', 'mx.local.test'), /^250 /)
    assert.match(await partsOf('192.0.2.2'), /rdns:unconfirmed:1,rdns:generic:2,rdns:helo_ours:4/)
    assert.match(await sendFrom('192.0.2.3', '[192.0.2.4]'), /^250 /)
    assert.match(await partsOf('192.0.2.3'), /rdns:no_ptr:2,rdns:helo_address:3/)
  })

  it('say nothing when DNS is ill', async () => {
    dns.serve('arpa', () => SERVFAIL)
    await start('{mode: enforce, missing_ipv6: reject}')
    assert.match(await sendFrom('2001:db8::7'), /^250 /)
    assert.equal((await partsOf('2001:db8::7')).trim(), '')
    dns.serve('arpa', () => ({ silent: true }))
    const started = performance.now()
    assert.match(await sendFrom('2001:db8::8'), /^250 /)
    assert.ok(performance.now() - started < 1700)
  })

  it('are asked of IPv6 clients when that is wanted, of no others', async () => {
    dns.records({
      'PTR 9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': ['mail.sender.test'],
    })
    await start('{mode: enforce, missing_ipv6: defer}')
    assert.match(
      await sendFrom('2001:db8::7'),
      /^450 4\.7\.1 Your IPv6 address has no reverse name \(PTR\) \(sluice rdns \w+\)/,
    )
    assert.match(await sendFrom('2001:db8::9'), /^250 /)
    assert.match(await sendFrom('192.0.2.7'), /^250 /)
  })

  it('are not asked for again when other plugins have found them', async () => {
    await start('{}', ['fcrdns', ...PLUGINS])
    assert.match(await sendFrom('192.0.2.1', 'mail.dhcp7.isp.test'), /^250 /)
    assert.match(await partsOf('192.0.2.1'), /rdns:unconfirmed:1,rdns:generic:2,rdns:helo_mismatch:0.5/)
    assert.equal(dns.count('.arpa'), 0)
  })
})

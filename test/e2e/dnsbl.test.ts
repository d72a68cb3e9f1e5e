import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { DnsList } from '../support/dns-list'
import { DnsServer } from '../support/dns-server'
import { HarakaServer } from '../support/haraka'
import { SmtpClient } from '../support/smtp-client'

const ROOT = path.resolve(__dirname, '../..')
const PLUGINS = ['sluice/plugins/dnsbl', 'no_rdns', 'relay', 'rcpt_to.in_host_list', 'queue/discard']
const BAD = '192.0.2.66'
const GOOD = '192.0.2.77'
const KEY = 'abcdefghijklmnopqrst0123456'

/** Logins without TLS; ann's password is right. */
const PASSWORDS = `exports.register = function () { this.inherits('auth/auth_base') }
exports.hook_capabilities = (next, connection) => {
  connection.capabilities.push('AUTH PLAIN LOGIN')
  connection.notes.allowed_auth_methods = ['PLAIN', 'LOGIN']
  next()
}
exports.check_plain_passwd = (connection, user, password, done) => done(user === 'ann' && password === 'right')
`

describe('DNS lists, end to end', function () {
  this.timeout(60_000)
  let dns: DnsServer
  let server: HarakaServer
  let bad: DnsList
  let domains: DnsList

  beforeEach(async () => {
    dns = await DnsServer.start()
    bad = new DnsList(dns, 'bad.test').add('66.2.0.192', '127.0.0.4').add('67.2.0.192', '127.0.0.10')
    domains = new DnsList(dns, 'domains.test').add('evil.example', '127.0.1.2')
  })
  afterEach(async () => {
    await server.remove()
    await dns.close()
  })

  const ZONES = `[{zone: bad.test, codes: {'127.0.0.[4..7]': 8, '127.0.0.10': 4}}, {zone: domains.test, kind: domain, weight: 8}]`

  async function start(dnsbl: string, { plugins = PLUGINS, more = '', files = {} } = {}): Promise<void> {
    server = await HarakaServer.start({
      sluice: `store: memory\ntrusted: []\ndns: {servers: ['${dns.address}'], timeout: 700ms}\ndnsbl: ${dnsbl}\n${more}`,
      plugins,
      files,
    })
  }

  async function sendFrom(ip: string, sender = 'a@sender.example'): Promise<{ text: string; tookMs: number }> {
    const started = performance.now()
    const client = await SmtpClient.greet(server.port, ip)
    const { text } = await client.send(sender, 'u@local.test')
    await client.quit()
    return { text, tookMs: performance.now() - started }
  }

  async function sluice(...args: string[]): Promise<string> {
    const ran = promisify(execFile)(process.execPath, [path.join(ROOT, 'bin/sluice.js'), ...args])
    return (await ran.catch((error: { stdout: string }) => error)).stdout
  }

  function decisionLog(): string {
    const folder = path.join(server.dir, 'data/decisions')
    return readdirSync(folder)
      .map((file) => readFileSync(path.join(folder, file), 'utf8'))
      .join('')
  }

  it('refuses, defers and takes by the sum of the lists, and says why', async () => {
    await start(`{mode: enforce, zones: ${ZONES}}`)
    const refused = (await sendFrom(BAD)).text
    assert.match(refused, /^550 5\.7\.1 Listed by bad\.test \(sluice dnsbl \w{7}\)/)
    assert.match((await sendFrom('192.0.2.67')).text, /^450 4\.7\.1 Listed by bad\.test \(sluice dnsbl/)
    assert.match((await sendFrom(GOOD)).text, /^250 /)
    assert.match((await sendFrom(GOOD, 'x@mail.evil.example')).text, /^550 5\.7\.1 Listed by domains\.test /)
    await server.waitForLog(
      /action=reject rule=dnsbl mode=enforce stage=rcpt .*ip=192\.0\.2\.66 count=8 limit=8 .* reason=dnsbl score=8 /,
    )
    await server.stop()
    const why = await sluice('why', /dnsbl (\w{7})\)/.exec(refused)![1]!, '--dir', server.dir)
    assert.match(why, /8 points of DNS lists, the threshold is 8/)
    assert.match(why, /score +8: dnsbl bad\.test=127\.0\.0\.4 8/)
    assert.match(why, /sluice dnsbl test 192\.0\.2\.66/)
  })

  it('in shadow takes all, and says what it would have done', async () => {
    await start(`{zones: ${ZONES}}`)
    assert.match((await sendFrom(BAD)).text, /^250 /)
    await server.waitForLog(/action=accept rule=dnsbl mode=shadow .*ip=192\.0\.2\.66 count=8 /)
  })

  it('judges each message by its own sender', async () => {
    await start(`{mode: enforce, zones: ${ZONES}}`)
    const client = await SmtpClient.greet(server.port, GOOD)
    assert.match((await client.send('x@evil.example', 'u@local.test')).text, /^550 /)
    await client.say('RSET')
    assert.match((await client.send('x@sender.example', 'u@local.test')).text, /^250 /)
    assert.match((await client.send('', 'u@local.test')).text, /^250 /)
    await client.quit()
  })

  it('never refuses nor keeps a good client because lists are ill', async () => {
    const moods = ['slow', 'lying', 'dead', 'servfail', 'garbage', 'gone'] as const
    for (const mood of moods) new DnsList(dns, `${mood}.test`).mood = mood
    const refusing = new DnsList(dns, 'refusing.test')
    refusing.mood = { refusing: '127.255.255.254' }
    const zones = [...moods, 'refusing'].map((name) => `{zone: ${name}.test, weight: 9}`).join(', ')
    await start(`{mode: enforce, zones: [${zones}, {zone: bad.test, weight: 8}]}`)
    const begun = performance.now()
    const client = await SmtpClient.greet(server.port, GOOD)
    assert.ok(performance.now() - begun < 600, 'the greeting waits for nothing')
    await client.quit()
    for (const attempt of [1, 2, 3]) {
      const { text, tookMs } = await sendFrom(`192.0.2.8${attempt}`)
      assert.match(text, /^250 /)
      assert.ok(tookMs < 1700, `${tookMs} ms`)
    }
    for (const [label, how] of [
      ['lying', 'lying: lists 127\\.0\\.0\\.1, which no list may'],
      ['dead', 'dead: no answer to a probe: timeout'],
      ['servfail', 'dead: no answer to a probe: servfail'],
      ['garbage', 'dead: no answer to a probe: malformed'],
      ['gone', 'dead: does not list its test entry 127\\.0\\.0\\.2'],
      ['refusing', 'refused: answers 127\\.255\\.255\\.254: asked through a public resolver'],
    ])
      await server.waitForLog(new RegExp(`dns list ill: ${label}\\.test is ${how}`))
    assert.match((await sendFrom(BAD)).text, /^550 .*Listed by bad\.test/, 'who is well is believed all the same')
    const { text } = await server.get('/metrics')
    assert.match(text, /^sluice_dns_zone_up\{zone="bad\.test"\} 1$/m)
    assert.match(text, /^sluice_dns_zone_up\{zone="lying\.test"\} 0$/m)
    assert.match(text, /^sluice_dns_lookups_total\{result="timeout"\} [1-9]/m)
    assert.equal(server.log.split('dns list ill: lying.test').length, 2, 'said once')
  })

  it('asks once, however many come, and remembers', async () => {
    await start(`{mode: enforce, zones: ${ZONES}}`)
    await sendFrom(GOOD)
    const [asked, askedDomains] = [bad.asked, domains.asked]
    assert.equal(asked, 1)
    await Promise.all(Array.from({ length: 10 }, () => sendFrom(GOOD)))
    assert.deepEqual([bad.asked, domains.asked], [asked, askedDomains])
    await Promise.all(Array.from({ length: 10 }, () => sendFrom('192.0.2.90')))
    assert.equal(bad.asked, 2)
  })

  it('asks about IPv6 clients by their nibbles', async () => {
    bad.add('6.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2', '127.0.0.4')
    await start(`{mode: enforce, zones: ${ZONES}}`)
    assert.match((await sendFrom('2001:db8::66')).text, /^550 .*Listed by bad\.test/)
    assert.match((await sendFrom('2001:db8::67')).text, /^250 /)
  })

  it('lets lists of the good speak for a client, and defers rather than refuses while one is not heard', async () => {
    const good = new DnsList(dns, 'good.test').add('66.2.0.192', '127.0.5.3')
    await start(`{mode: enforce, zones: [{zone: bad.test, weight: 9}, {zone: good.test, weight: -6}]}`)
    assert.match((await sendFrom(BAD)).text, /^250 /)
    assert.match((await sendFrom('192.0.2.67')).text, /^550 /)
    await server.remove()
    good.mood = 'dead'
    await start(`{mode: enforce, zones: [{zone: bad.test, weight: 9}, {zone: good.test, weight: -6}]}`)
    assert.match((await sendFrom('192.0.2.67')).text, /^450 /)
  })

  it('leaves who may relay, the trusted and the allowed alone', async () => {
    bad.add('99.2.0.192', '127.0.0.4')
    await start(`{mode: enforce, allow: [postmaster@local.test], zones: ${ZONES}}`, {
      files: { relay_acl_allow: '192.0.2.99/32\n' },
    })
    assert.match((await sendFrom('192.0.2.99')).text, /^250 /)
    const client = await SmtpClient.greet(server.port, BAD)
    await client.say('MAIL FROM:<a@sender.example>')
    assert.equal((await client.say('RCPT TO:<postmaster@local.test>')).code, 250)
    assert.equal((await client.say('RCPT TO:<u@local.test>')).code, 550)
    await client.quit()
    await server.stop()
    assert.match(decisionLog(), /"rule":"dnsbl","because":"dnsbl\.allow postmaster@local\.test"/)
  })

  it('neither judges nor keeps who has logged in', async () => {
    new DnsList(dns, 'dead.test').mood = 'dead'
    await start(`{mode: enforce, zones: [{zone: bad.test, weight: 8}, {zone: dead.test, weight: 8}]}`, {
      plugins: ['sluice/plugins/dnsbl', 'no_rdns', 'passwords', 'rcpt_to.in_host_list', 'queue/discard'],
      files: { '../plugins/passwords.js': PASSWORDS },
    })
    const client = await SmtpClient.greet(server.port, BAD)
    const login = Buffer.from('\0ann\0right').toString('base64')
    assert.equal((await client.say(`AUTH PLAIN ${login}`)).code, 235)
    const asked = performance.now()
    await client.say('MAIL FROM:<ann@local.test>')
    assert.equal((await client.say('RCPT TO:<u@local.test>')).code, 250)
    assert.ok(performance.now() - asked < 400, `${performance.now() - asked} ms`)
    await client.quit()
  })

  it('has the jail ban who is refused for being on a list that is reason enough', async () => {
    const plugins = ['sluice/plugins/jail', ...PLUGINS]
    await start(`{mode: enforce, zones: [{zone: bad.test, ban: true}, {zone: domains.test, kind: domain}]}`, {
      plugins,
      more: 'jail: {mode: enforce}\n',
    })
    assert.match((await sendFrom(GOOD)).text, /^250 /)
    assert.match((await sendFrom(BAD)).text, /^450 4\.7\.1 Listed by bad\.test/)
    await server.waitForLog(/action=ban target=192\.0\.2\.66 origin=dnsbl .* why="listed by bad\.test"/)
    const again = await SmtpClient.connect(server.port, BAD)
    assert.match((await again.reply()).text, /^421 4\.7\.0 Your address is banned/)
    assert.match((await sendFrom(GOOD)).text, /^250 /)
  })

  it('has the jail count refusals for being listed, when they have points', async () => {
    const plugins = ['sluice/plugins/jail', ...PLUGINS]
    const more = 'jail: {mode: enforce, client: 2/h, offences: {listed: 1}}\n'
    await start(`{mode: enforce, zones: [{zone: bad.test, weight: 8}]}`, { plugins, more })
    for (let session = 0; session < 3; session++) assert.match((await sendFrom(BAD)).text, /^550 /)
    await server.waitForLog(/action=ban target=192\.0\.2\.66 origin=jail .* why="refused too often for being listed"/)
  })

  it('shows the key of a paid list nowhere', async () => {
    const paid = new DnsList(dns, `${KEY}.zen.test`).add('66.2.0.192', '127.0.0.4')
    await start(`{mode: enforce, zones: [{zone: ${KEY}.zen.test, weight: 8}, {zone: ${KEY}.dead.test, weight: 8}]}`, {
      plugins: ['sluice/plugins/dnsbl', 'sluice/plugins/score', 'no_rdns', 'rcpt_to.in_host_list', 'queue/discard'],
      more: 'score: {mode: enforce}\n',
    })
    const { text } = await sendFrom(BAD)
    assert.match(text, /^550 5\.7\.1 Listed by \*\*\*\.zen\.test \(sluice dnsbl/)
    assert.equal(paid.asked, 1)
    await server.waitForLog(/dns list ill: \*\*\*\.dead\.test/)
    const metrics = (await server.get('/metrics')).text
    assert.match(metrics, /zone="\*\*\*\.zen\.test"/)
    await server.stop()
    const shown = [
      ...[text, metrics, server.log, decisionLog()],
      await sluice('config', 'show', server.dir),
      await sluice('config', 'show', server.dir, '--json'),
      await sluice('why', BAD, '--dir', server.dir),
      await sluice('doctor', server.dir),
      await sluice('dnsbl', 'test', BAD, '--dir', server.dir),
    ]
    shown.forEach((one, index) => assert.ok(!one.includes(KEY), `${index}: ${one}`))
    assert.match(shown[4]!, /\*\*\*\.zen\.test/)
  })
})

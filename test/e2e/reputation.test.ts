import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { asnDatabase } from '../support/asn-database'
import { HarakaServer } from '../support/haraka'
import { SmtpClient } from '../support/smtp-client'
import { sluice as runSluice } from '../unit/cli/command'

const PLUGINS = [
  'sluice/plugins/reputation',
  'sluice/plugins/messages',
  'no_rdns',
  'spf',
  'relay',
  'sluice/plugins/score',
  'rcpt_to.in_host_list',
  'sluice/plugins/greylist',
  'sluice/plugins/mailbomb',
  'queue/discard',
]
const NONE = ['client_messages', 'client_recipients', 'sender', 'sender_domain', 'recipient', 'recipient_share']
const PARTNER = '2001:db8:1::1'
const TAKEN = /^250 /

describe('reputation, greylisting and mail bombs, end to end', function () {
  this.timeout(90_000)
  let server: HarakaServer
  afterEach(() => server.remove())

  async function start(text: string, limits = ''): Promise<void> {
    const removed = NONE.filter((name) => !limits.includes(`  ${name}:`)).map((name) => `  ${name}: false`)
    const head = ['mode: enforce', 'trusted: []', text, 'limits:', ...removed, limits, '']
    server = await HarakaServer.start({ sluice: head.join('\n'), plugins: PLUGINS })
  }

  const sluice = async (...args: string[]) => (await runSluice(...args, '--dir', server.dir)).stdout

  async function send(from: string, ip: string, to = 'u@local.test'): Promise<string> {
    const client = await SmtpClient.greet(server.port, ip)
    const { text } = await client.send(from, to)
    await client.quit()
    return text
  }

  async function waitFor(pattern: RegExp, ...command: string[]): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      const said = await sluice(...command)
      if (pattern.test(said)) return said
      assert.ok(attempt < 50, said)
      await delay(100)
    }
  }

  it('gives a client that has proven itself wider limits, and one that has not narrower ones', async () => {
    await start('reputation: {mode: enforce}', '  client: {limit: 12/h}')
    for (let session = 0; session < 11; session++) assert.match(await send(`a${session}@example.com`, PARTNER), TAKEN)
    await waitFor(/good \(0\.6\d*\).*multiplied by 2\.83/, 'reputation', 'show', PARTNER)
    for (let session = 0; session < 8; session++) assert.match(await send(`b${session}@example.com`, PARTNER), TAKEN)

    const thief = '2001:db8:2::1'
    for (let session = 0; session < 11; session++) {
      const client = await SmtpClient.greet(server.port, thief)
      await client.say('MAIL FROM:<x@example.org>')
      for (let guess = 0; guess < 4; guess++) await client.say(`RCPT TO:<g${guess}@elsewhere.test>`)
      await client.quit()
    }
    // Ten, since the eleventh is refused at MAIL.
    await waitFor(/bad \(-0\.6\d*\).*multiplied by 0\.5 /, 'reputation', 'show', thief)
    assert.match(await send('y@example.org', thief), /^450 .*\(sluice client /)
  })

  it('takes a partner at once where a stranger is greylisted, and has a say in the score', async () => {
    await start('greylist: {mode: enforce}\nreputation: {points: 8}', '  client: false')
    assert.match(await send('a@pool.example', PARTNER), /^451 /)
    await sluice('greylist', 'allow', 'pool.example')
    for (let session = 0; session < 11; session++) assert.match(await send(`p${session}@pool.example`, PARTNER), TAKEN)
    await waitFor(/good/, 'reputation', 'show', 'pool.example')
    await sluice('greylist', 'forget', 'pool.example')
    // By its own reputation, and by that of the domain from another address.
    assert.match(await send('new@example.net', PARTNER), TAKEN)
    assert.match(await send('new@pool.example', '2001:db8:9::9'), TAKEN)
    assert.match(await send('new@example.net', '2001:db8:9::9'), /^451 /)
    await server.waitForLog(/rule=greylist mode=enforce/)
    await waitFor(/score .* reputation good -\d/, 'why', PARTNER, '--all')
  })

  it('remembers providers from a database of them, and says that another is read at the next start', async () => {
    await start('reputation: {asn_database: data/asn.mmdb}', '  client: false')
    await server.waitForLog(/reputation: no providers are told apart, .*asn\.mmdb/)
    await server.stop()
    const { dir } = server
    mkdirSync(path.join(dir, 'data'), { recursive: true })
    writeFileSync(path.join(dir, 'data/asn.mmdb'), asnDatabase([198, 51, 100], 64500))
    const text = readFileSync(path.join(dir, 'config/sluice.yaml'), 'utf8').replace(/^http:.*\n/m, '')
    server = await HarakaServer.start({ sluice: text, plugins: PLUGINS, dir })
    assert.match(await send('a@example.com', '198.51.100.7'), TAKEN)
    await waitFor(/^asn +as64500 +1 /m, 'reputation', 'show', '198.51.100.7')
    assert.match(await sluice('reputation', 'show', 'as64500'), /^asn +as64500 +1 /m)
    assert.doesNotMatch(await sluice('reputation', 'show', '203.0.113.7'), /^asn/m)
    const changed = server.read('config/sluice.yaml').replace('data/asn.mmdb', 'data/other.mmdb')
    writeFileSync(path.join(dir, 'config/sluice.yaml'), changed)
    await server.waitForLog(
      /reputation\.asn_database was changed in the config: it takes effect when Haraka starts again/,
    )
  })

  it('holds a new sender domain to its own limit until it is proven', async () => {
    const limits = '  client: false\n  new_sender: {limit: 3/h}'
    await start('', limits)
    for (let message = 0; message < 3; message++) assert.match(await send('a@new.example', PARTNER), TAKEN)
    assert.match(await send('a@new.example', PARTNER), /^450 4\.7\.1 Too many messages from a new sender domain/)
    for (let session = 0; session < 11; session++) await send(`b@s${session}.test`, PARTNER)
    await waitFor(/good/, 'reputation', 'show', PARTNER)
    assert.match(await send('a@new.example', PARTNER), TAKEN)
  })

  it('shows, allows and forgets whom greylisting knows', async () => {
    await start('greylist: {mode: enforce}', '  client: false')
    assert.match(await send('bob@example.com', PARTNER), /^451 /)
    assert.match(
      await sluice('greylist', 'list', '--waiting'),
      /waits .* 2001:db8:1::\/64 +bob@example\.com +u@local\.test/,
    )
    assert.match(
      await sluice('greylist', 'allow', 'bob@example.com'),
      /takes bob@example\.com for u@local\.test at the next/,
    )
    assert.match(await send('bob@example.com', PARTNER), TAKEN)
    assert.match(await sluice('greylist', 'show', 'bob@example.com'), /passed 2x/)
    assert.match(await sluice('greylist', 'forget', 'bob@example.com'), /forgot greylist\|/)
    assert.match(await send('bob@example.com', PARTNER), /^451 /)
  })

  it('lets the answer to our user’s own message in at once', async () => {
    await start('greylist: {mode: enforce}', '  client: false')
    // Our user: may relay.
    const user = await SmtpClient.greet(server.port, '127.0.0.99')
    await user.say('MAIL FROM:<u@local.test>')
    assert.equal((await user.say('RCPT TO:<stranger@example.org>')).code, 250)
    await user.quit()
    await waitFor(/\|u@local\.test\|stranger@example\.org/, 'limits', 'show', 'wrote|')
    assert.match(await send('stranger@example.org', PARTNER), TAKEN)
    assert.match(await send('other@example.org', PARTNER), /^451 /)
  })

  it('slows strangers to a mailbox that is bombed, and takes its correspondents', async () => {
    await start('mailbomb: {mode: enforce, strangers: 7}', '  client: false')
    const client = await SmtpClient.greet(server.port, PARTNER)
    assert.match((await client.send('friend@example.com', 'u@local.test')).text, TAKEN)
    assert.match((await client.send('other@example.com', 'u@local.test')).text, TAKEN)
    await client.say('MAIL FROM:<ghost@example.com>')
    assert.match((await client.say('RCPT TO:<u@local.test>')).text, TAKEN)
    await client.quit()
    // Who only asks whether he might is not remembered.
    const known = await waitFor(/friend@/, 'limits', 'show', 'known_sender|')
    assert.match(known, /other@example\.com/)
    assert.doesNotMatch(known, /ghost@/)
    const bomb = await Promise.all(
      Array.from({ length: 20 }, (_, index) => send(`list${index}@news${index}.example`, `2001:db8:b${index}::1`)),
    )
    const taken = bomb.filter((text) => TAKEN.test(text)).length
    assert.ok(taken >= 4 && taken <= 7, `${taken} taken`)
    for (const text of bomb) {
      if (!TAKEN.test(text))
        assert.match(text, /^450 4\.7\.1 Too many new senders write to this recipient just now, try again/)
    }
    assert.match(await send('friend@example.com', '2001:db8:7::7'), TAKEN)
    assert.match(await send('list99@news99.example', PARTNER, 'other@local.test'), TAKEN)
  })
})

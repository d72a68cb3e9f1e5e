import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { HarakaServer, PLUGINS } from '../support/haraka'
import { SmtpClient } from '../support/smtp-client'

const POLICY = `mode: enforce
store: memory
trusted: []
limits:
  connection_rate: false
  parallel_sessions: {limit: {concurrency: 5}, tiers: false}
  client_messages: false
  client_recipients: false
  client: {limit: 3/min, exempt: []}
  sender: false
  sender_domain: false
  recipient: false
session: {errors: 1000, junk: 10000}
`

/** The server still takes mail: what every case must leave behind. */
async function assertAlive(server: HarakaServer, from = '127.0.200.1'): Promise<void> {
  const client = await SmtpClient.greet(server.port, from)
  assert.equal((await client.say('MAIL FROM:<alive@example.com>')).code, 250)
  assert.equal((await client.say('RCPT TO:<u@local.test>')).code, 250)
  await client.quit()
  assert.equal(server.child.exitCode, null)
}

let lastNetwork = 0
/** An address that no other case has used. */
function freshAddress(): string {
  lastNetwork++
  return `127.3.${lastNetwork}.1`
}

describe('hostile clients, end to end', function () {
  this.timeout(60_000)
  let server: HarakaServer
  before(async () => {
    server = await HarakaServer.start({
      sluice: POLICY,
      plugins: ['xclient', ...PLUGINS],
      files: { 'xclient.hosts': '127.0.0.60\n' },
      logLevel: 'info',
    })
  })
  afterEach(() => assertAlive(server, freshAddress()))
  after(() => server.remove())

  it('survives a local part of 10 kB, in MAIL and in RCPT', async () => {
    const client = await SmtpClient.greet(server.port, freshAddress())
    const long = 'a'.repeat(10_000)
    assert.ok((await client.say(`MAIL FROM:<${long}@example.com>`)).code >= 250)
    await client.say('RSET')
    await client.say('MAIL FROM:<a@example.com>')
    const { code } = await client.say(`RCPT TO:<${long}@local.test>`)
    assert.ok(code === 250 || code >= 400)
    await client.quit()
  })

  for (const [name, address] of [
    ['NUL', Buffer.from('MAIL FROM:<a\0b@example.com>\r\n', 'latin1')],
    ['UTF-8', Buffer.from('MAIL FROM:<jörg@exämple.com> SMTPUTF8\r\n', 'utf8')],
    ['the separators of our keys', Buffer.from('MAIL FROM:<"a|b%7C{c}"@example.com>\r\n')],
    ['bytes that are no UTF-8', Buffer.from('MAIL FROM:<\xff\xfe@example.com>\r\n', 'latin1')],
    ['quotes and a line that would break a log', Buffer.from('MAIL FROM:<"a\\" action=accept\tx"@example.com>\r\n')],
  ] as const) {
    it(`survives ${name} in an address`, async () => {
      const client = await SmtpClient.greet(server.port, freshAddress())
      const { code } = await client.say(address)
      assert.ok(code === 250 || code >= 500, String(code))
      await client.quit()
    })
  }

  it('takes ::ffff:192.0.2.4 shown by XCLIENT for 192.0.2.4', async () => {
    const codes: number[] = []
    for (const shown of ['192.0.2.4', 'IPV6:::ffff:192.0.2.4', '192.0.2.4', 'IPV6:::ffff:192.0.2.4']) {
      const client = await SmtpClient.greet(server.port, '127.0.0.60')
      assert.equal((await client.say(`XCLIENT ADDR=${shown} NAME=mail.example.com`)).code, 220)
      await client.say('EHLO client.test')
      codes.push((await client.say('MAIL FROM:<a@example.com>')).code)
      await client.quit()
    }
    assert.deepEqual(codes, [250, 250, 250, 450])
  })

  it('judges the address that a PROXY header shows', async () => {
    const codes: number[] = []
    for (let count = 0; count < 4; count++) {
      const client = await SmtpClient.connect(server.port, '127.0.0.50')
      const greeting = await client.say('PROXY TCP4 198.51.100.9 127.0.0.1 40000 25')
      assert.equal(greeting.code, 220)
      await client.say('EHLO client.test')
      codes.push((await client.say('MAIL FROM:<a@example.com>')).code)
      await client.quit()
    }
    assert.deepEqual(codes, [250, 250, 250, 450])
  })

  it('judges IPv6 clients by their /64 wherever they say they are in it', async () => {
    const codes: number[] = []
    for (let count = 1; count <= 4; count++) {
      const client = await SmtpClient.connect(server.port, '127.0.0.50')
      assert.equal((await client.say(`PROXY TCP6 2001:db8:1:2::${count} ::1 40000 25`)).code, 220)
      await client.say('EHLO client.test')
      codes.push((await client.say('MAIL FROM:<a@example.com>')).code)
      await client.quit()
    }
    assert.deepEqual(codes, [250, 250, 250, 450])
  })

  it('gives leases back however the address changed and wherever the client leaves', async () => {
    const stages = ['', 'EHLO a.test', 'MAIL FROM:<a@example.com>', 'RCPT TO:<u@local.test>', 'DATA', 'Subject: half']
    for (let stage = 0; stage < stages.length; stage++) {
      const from = freshAddress()
      const client = await SmtpClient.connect(server.port, from)
      await client.reply()
      for (const command of stages.slice(1, stage)) await client.say(command)
      if (stage > 0) client.write(stages[stage]!)
      await client.vanish()
    }
    for (let count = 0; count < 8; count++) {
      const client = await SmtpClient.greet(server.port, '127.0.0.60')
      await client.say('XCLIENT ADDR=203.0.113.77 NAME=x.example.com')
      await client.vanish()
    }
    await server.waitForGauge('sluice_sessions_open', 0)
  })

  it('keeps its memory bounded under thousands of senders', async () => {
    const before = await server.residentBytes()
    const sessions = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => SmtpClient.greet(server.port, `127.4.${index}.1`)),
    )
    await Promise.all(
      sessions.map(async (client, index) => {
        for (let count = 0; count < 900; count++) {
          await client.say(`MAIL FROM:<u${index}x${count}@d${count}.example>`)
          await client.say('RSET')
        }
        await client.quit()
      }),
    )
    assert.ok((await server.residentBytes()) - before < 150 * 1024 * 1024)
  })
})

describe('a store that is ill at start, end to end', function () {
  this.timeout(60_000)
  let server: HarakaServer | undefined
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-ill-'))
  })
  afterEach(async () => {
    await server?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  it('counts in memory and says so when the folder of the store cannot be written', async () => {
    writeFileSync(path.join(folder, 'file'), 'not a folder')
    const store = path.join(folder, 'file', 'store')
    server = await HarakaServer.start({ sluice: POLICY.replace('store: memory', `store: 'lmdb:${store}'`) })
    await server.waitForLog(/counting in memory/)
    await assertAlive(server)
    const { status, text } = await server.get('/readyz')
    assert.equal(status, 200, 'mail is taken all the same')
    assert.match(text, /"degraded":true,"reasons":\["store lost: .*counting in memory/)
    await server.waitForGauge('sluice_store_up', 0)
  })

  it('says so when the folder of the store is removed under it', async () => {
    const store = path.join(folder, 'store')
    server = await HarakaServer.start({ sluice: POLICY.replace('store: memory', `store: 'lmdb:${store}'`) })
    await assertAlive(server)
    rmSync(store, { recursive: true })
    const [said] = await server.waitForLog(/store lost: .*was removed while in use.*/)
    assert.doesNotMatch(said, /share of the limits/, 'that is what a process does whose Redis is away')
    assert.match((await server.get('/readyz')).text, /"degraded":true/)
    await assertAlive(server, freshAddress())
  })

  it('sets a corrupt store aside and starts afresh', async () => {
    const store = path.join(folder, 'store')
    mkdirSync(store)
    writeFileSync(path.join(store, 'data.mdb'), Buffer.alloc(100_000, 0x5a))
    server = await HarakaServer.start({ sluice: POLICY.replace('store: memory', `store: 'lmdb:${store}'`) })
    await server.waitForLog(/corrupt/)
    await assertAlive(server)
  })

  it('runs on the shipped defaults, in shadow, when the configuration is wrong', async () => {
    server = await HarakaServer.start({ sluice: 'mode: enforce\nlimts: {}\n', refusedConfig: true })
    await server.waitForLog(/did you mean "limits"/)
    const client = await SmtpClient.greet(server.port)
    for (let count = 0; count < 8; count++) {
      assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 250)
      await client.say('RSET')
    }
    await client.quit()
  })

  it('starts at once when Redis is not there, and takes mail', async () => {
    const started = Date.now()
    server = await HarakaServer.start({ sluice: POLICY.replace('store: memory', "store: 'redis://127.0.0.1:1'") })
    await assertAlive(server)
    assert.ok(Date.now() - started < 8000)
    const exit = once(server.child, 'exit')
    server.child.kill('SIGINT')
    await exit
    assert.equal(server.child.exitCode, 0)
  })
})

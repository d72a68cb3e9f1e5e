import assert from 'node:assert/strict'
import { appendFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DEFAULTS } from '../../src/config/defaults'
import { HarakaServer } from '../support/haraka'
import { RedisServer } from '../support/redis-server'
import { SmtpClient } from '../support/smtp-client'

const SHIPPED = Object.keys(DEFAULTS.limits)

/** Only the rules that a test names are there. */
function onlyRules(rules: string, more = ''): string {
  const named = [...rules.matchAll(/^ {2}(\w+):/gm)].map((match) => match[1])
  const removed = SHIPPED.filter((name) => !named.includes(name)).map((name) => `  ${name}: false`)
  return ['mode: enforce', 'store: memory', 'trusted: []', more, 'limits:', ...removed, rules, ''].join('\n')
}

/** Seconds that a reply tells the client to wait. */
function retrySeconds(text: string): number {
  const match = /try again in (?:(\d+) minutes? ?)?(?:(\d+) seconds?)? \(sluice/.exec(text)
  assert.ok(match, `no retry time in: ${text}`)
  return Number(match[1] ?? 0) * 60 + Number(match[2] ?? 0)
}

describe('limits, end to end', function () {
  this.timeout(60_000)
  let server: HarakaServer | undefined
  afterEach(async () => {
    await server?.remove()
    server = undefined
  })

  it('answers 450 exactly when the limit says and lets the client in again exactly when it said', async () => {
    server = await HarakaServer.start({ sluice: onlyRules('  sender: {limit: 3/4s}') })
    const client = await SmtpClient.greet(server.port)
    const first = Date.now()
    for (let count = 0; count < 3; count++) {
      assert.equal((await client.send('a@example.com', 'u@local.test')).code, 250)
    }
    const refused = await client.say('MAIL FROM:<A+tag@Example.com>')
    assert.equal(refused.code, 450)
    assert.match(
      refused.text,
      /^450 4\.7\.1 Too many messages from this sender, try again in \d seconds? \(sluice sender [0-9A-Z]{7}\)$/,
    )
    const seconds = retrySeconds(refused.text)
    assert.ok(seconds <= 4 && seconds >= 3, refused.text)
    assert.equal((await client.say('MAIL FROM:<other@example.com>')).code, 250, 'another sender is not held')
    await client.say('RSET')
    await delay(first + 3500 - Date.now())
    assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 450, 'not before its time')
    await delay(first + 4000 + 350 - Date.now())
    assert.equal((await client.send('a@example.com', 'u@local.test')).code, 250)
    await client.quit()
  })

  it('refuses nobody in shadow, says what it would have done, and remembers why', async () => {
    server = await HarakaServer.start({ sluice: onlyRules('  sender: {limit: 1/min, mode: shadow}') })
    const client = await SmtpClient.greet(server.port)
    for (let count = 0; count < 3; count++) {
      assert.equal((await client.send('a@example.com', 'u@local.test')).code, 250)
    }
    await client.quit()
    await server.waitForLog(/\[INFO\] .*rule=sender mode=shadow/)
  })

  it('lets both layers judge: either refuses', async () => {
    const rules = '  client_messages: {limit: 4/min}\n  sender: {limit: 2/min}'
    server = await HarakaServer.start({
      sluice: onlyRules(rules),
    })
    const client = await SmtpClient.greet(server.port)
    const codes = []
    for (const sender of ['a', 'a', 'a', 'b', 'b', 'c']) {
      codes.push(
        (await client.send(`${sender}@example.com`, 'u@local.test')).text
          .replace(/.*\(sluice (\w+).*/, '$1')
          .slice(0, 15),
      )
    }
    assert.deepEqual(
      codes.map((text) => (text.startsWith('250') ? 'ok' : text)),
      ['ok', 'ok', 'sender', 'ok', 'ok', 'client_messages'],
    )
  })

  it('counts RCPT attempts per client, unknown recipients too, and valid recipients per recipient', async () => {
    const rules = '  client_recipients: {limit: 4/min}\n  recipient: {limit: 2/min}'
    server = await HarakaServer.start({
      sluice: onlyRules(rules),
    })
    const client = await SmtpClient.greet(server.port)
    for (let message = 0; message < 2; message++) {
      await client.say('MAIL FROM:<a@example.com>')
      assert.equal((await client.say('RCPT TO:<u@local.test>')).code, 250)
      await client.say('RSET')
    }
    await client.say('MAIL FROM:<a@example.com>')
    assert.match((await client.say('RCPT TO:<u@local.test>')).text, /^450 4\.7\.1 .*\(sluice recipient /)
    assert.equal((await client.say('RCPT TO:<v@elsewhere.test>')).code, 550, 'no relay')
    assert.match((await client.say('RCPT TO:<w@local.test>')).text, /^450 .*\(sluice client_recipients /)
  })

  it('refuses connections over the rate with 421 and closes', async () => {
    server = await HarakaServer.start({
      sluice: onlyRules('  connection_rate: {limit: 2/min, tiers: false}'),
    })
    for (let count = 0; count < 2; count++) await (await SmtpClient.greet(server.port, '127.0.0.7')).quit()
    const refused = await SmtpClient.connect(server.port, '127.0.0.7')
    assert.match(
      (await refused.reply()).text,
      /^421 4\.7\.0 Too many connections from your network, try again in .* \(sluice connection_rate /,
    )
    await refused.waitForClose()
    await (await SmtpClient.greet(server.port, '127.0.0.200')).quit()
  })

  it('holds parallel sessions, and gives the place back at QUIT and when the client vanishes', async () => {
    server = await HarakaServer.start({
      sluice: onlyRules('  parallel_sessions: {limit: {concurrency: 2}, tiers: false}'),
    })
    const one = await SmtpClient.greet(server.port)
    const two = await SmtpClient.greet(server.port)
    const third = await SmtpClient.connect(server.port)
    assert.match((await third.reply()).text, /^421 4\.7\.0 Too many open sessions/)
    await one.quit()
    await server.waitForLog(/\[NOTICE\] .*disconnect/)
    const fourth = await waitUntilGreeted(server.port)
    await two.vanish()
    const fifth = await waitUntilGreeted(server.port)
    await fourth.quit()
    await fifth.quit()
  })

  it('holds a client until its slot is free when the answer is delay', async () => {
    server = await HarakaServer.start({ sluice: onlyRules('  sender: {limit: 1/2s, answer: delay}') })
    const client = await SmtpClient.greet(server.port)
    assert.equal((await client.send('a@example.com', 'u@local.test')).code, 250)
    const asked = Date.now()
    assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 250)
    const waited = Date.now() - asked
    assert.ok(waited > 1000 && waited < 3000, `waited ${waited} ms`)
  })

  it('rejects with 550 only when the rule asks for it', async () => {
    server = await HarakaServer.start({ sluice: onlyRules('  sender: {limit: 1/min, answer: reject}') })
    const client = await SmtpClient.greet(server.port)
    await client.send('a@example.com', 'u@local.test')
    assert.match(
      (await client.say('MAIL FROM:<a@example.com>')).text,
      /^550 5\.7\.1 Too many messages from this sender \(sluice sender/,
    )
  })

  it('limits bytes after DATA', async () => {
    server = await HarakaServer.start({ sluice: onlyRules('  volume: {count: bytes, per: sender, limit: 3kB/min}') })
    const client = await SmtpClient.greet(server.port)
    const body = `Subject: x\r\n\r\n${'0123456789'.repeat(80)}\r\n`.repeat(2)
    assert.equal((await client.send('a@example.com', 'u@local.test', body)).code, 250)
    assert.match((await client.send('a@example.com', 'u@local.test', body)).text, /^450 4\.7\.1 .*\(sluice volume /)
  })

  it('judges bounces per network and recipient, never in one bucket for all', async () => {
    server = await HarakaServer.start({ sluice: onlyRules('  sender: {limit: 1/min}') })
    const client = await SmtpClient.greet(server.port)
    assert.equal((await client.send('', 'a@local.test')).code, 250)
    assert.equal((await client.send('', 'b@local.test')).code, 250)
    assert.match((await client.send('', 'b@local.test')).text, /^450 .*\(sluice sender /)
    const other = await SmtpClient.greet(server.port, '127.0.77.1')
    assert.equal((await other.send('', 'b@local.test')).code, 250, 'another network has its own')
  })

  it('obeys session bounds: recipients, errors, junk', async () => {
    server = await HarakaServer.start({
      sluice: onlyRules('', 'session: {recipients: 3, errors: 4, junk: 3}'),
    })
    const client = await SmtpClient.greet(server.port)
    await client.say('MAIL FROM:<a@example.com>')
    for (let count = 0; count < 3; count++) assert.equal((await client.say(`RCPT TO:<u${count}@local.test>`)).code, 250)
    assert.match((await client.say('RCPT TO:<u4@local.test>')).text, /^452 4\.5\.3 Too many recipients in this session/)
    assert.equal((await client.say('DATA')).code, 354)
    assert.equal((await client.say('Subject: x\r\n\r\nx\r\n.')).code, 250, 'the message goes to those before')

    const noisy = await SmtpClient.greet(server.port)
    for (let count = 0; count < 3; count++) assert.equal((await noisy.say('NOOP')).code, 250)
    assert.match((await noisy.say('NOOP')).text, /^421 4\.7\.0 Too many commands that move no mail/)
    await noisy.waitForClose()

    const wrong = await SmtpClient.greet(server.port)
    for (let count = 0; count < 4; count++) assert.equal((await wrong.say('FNORD')).code, 500)
    assert.match((await wrong.say('FNORD')).text, /^421 4\.7\.0 Too many errors/)
    await wrong.waitForClose()
  })

  for (const [what, command, code] of [
    ['wrong syntax', 'MAIL FROM:<<bad', 501],
    ['an EHLO without a name', 'EHLO', 501],
    ['wrong order', 'DATA', 503],
    ['HELP', 'HELP', 250],
    ['mail that is deferred', 'MAIL FROM:<often@example.com>', 450],
  ] as const) {
    it(`obeys session bounds where Haraka asks no plugin: ${what}`, async () => {
      server = await HarakaServer.start({
        sluice: onlyRules('  sender: {limit: 1/h}', 'session: {errors: 4, junk: 4}'),
      })
      const client = await SmtpClient.greet(server.port)
      await client.send('often@example.com', 'u@local.test')
      for (let count = 0; count < 4; count++) assert.equal((await client.say(command)).code, code)
      assert.match((await client.say(command)).text, /^421 4\.7\.0 Too many (errors|commands that move no mail)/)
      await client.waitForClose()
    })
  }

  it('counts a message to one mailbox once, however often its envelope names it', async () => {
    server = await HarakaServer.start({ sluice: onlyRules('  recipient: {limit: 2/min}') })
    const client = await SmtpClient.greet(server.port, '127.0.0.9')
    await client.say('MAIL FROM:<a@example.com>')
    for (const name of ['boss', 'Boss', 'boss+1', 'other', 'boss+2']) {
      assert.equal((await client.say(`RCPT TO:<${name}@local.test>`)).code, 250, name)
    }
    await client.say('RSET')
    assert.equal((await client.send('b@example.com', 'boss@local.test')).code, 250)
    assert.equal((await client.send('c@example.com', 'boss@local.test')).code, 450)
    assert.equal((await client.send('d@example.com', 'other@local.test')).code, 250)
  })

  it('exempts trusted networks', async () => {
    server = await HarakaServer.start({
      sluice: onlyRules('  sender: {limit: 1/min}').replace('trusted: []', "trusted: ['127.0.0.8/32']"),
    })
    const trusted = await SmtpClient.greet(server.port, '127.0.0.8')
    for (let count = 0; count < 3; count++)
      assert.equal((await trusted.send('a@example.com', 'u@local.test')).code, 250)
  })

  it('takes a changed configuration while it runs, and keeps the last good one when it is wrong', async () => {
    const text = onlyRules('  sender: {limit: 1/min}')
    server = await HarakaServer.start({ sluice: text })
    const file = path.join(server.dir, 'config/sluice.yaml')
    const http = `http: {listen: '127.0.0.1:${server.httpPort}'}\n`
    const client = await SmtpClient.greet(server.port)
    await client.send('a@example.com', 'u@local.test')
    assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 450)

    writeFileSync(file, `${http}${text.replace('sender: {limit: 1/min}', 'sender: {limt: 9/min}')}`)
    await server.waitForLog(/config\/sluice\.yaml:\d+:\d+ .*did you mean "limit"/)
    assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 450, 'the last good one is in force')

    writeFileSync(file, `${http}${text.replace('1/min', '5/min')}`)
    await server.waitForLog(/config taken/)
    assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 250)
  })

  it('reads overrides from a map file, and again when it changes', async () => {
    server = await HarakaServer.start({
      sluice: onlyRules('  sender_domain: {limit: 1/min, overrides_file: sluice/my.map}'),
      files: { 'sluice/my.map': 'big.example 3/min\n' },
    })
    const client = await SmtpClient.greet(server.port)
    const codes = async (domain: string, count: number) => {
      const seen = []
      for (let index = 0; index < count; index++)
        seen.push((await client.send(`u${index}@${domain}`, 'u@local.test')).code)
      return seen
    }
    assert.deepEqual(await codes('small.example', 2), [250, 450])
    assert.deepEqual(await codes('mail.big.example', 4), [250, 250, 250, 450])
    appendFileSync(path.join(server.dir, 'config/sluice/my.map'), 'small.example exempt\n')
    await server.waitForLog(/config taken/)
    assert.deepEqual(await codes('small.example', 2), [250, 250])
  })
})

describe('limits shared by processes, end to end', function () {
  this.timeout(60_000)
  const servers: HarakaServer[] = []
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.remove()))
  })

  async function countAccepted(ports: readonly number[], tries: number): Promise<number> {
    let accepted = 0
    const sessions = await Promise.all(
      Array.from({ length: 8 }, (_, index) => SmtpClient.greet(ports[index % ports.length]!)),
    )
    await Promise.all(
      sessions.map(async (client) => {
        for (let count = 0; count < tries; count++) {
          const { code } = await client.say('MAIL FROM:<a@example.com>')
          if (code === 250) accepted++
          await client.say('RSET')
        }
        await client.quit()
      }),
    )
    return accepted
  }

  it('is exact between the workers of one host on the embedded store', async () => {
    const sluice = onlyRules('  sender: {limit: 20/min}').replace('store: memory', 'store: lmdb:data/sluice')
    const server = await HarakaServer.start({ sluice, nodes: 2 })
    servers.push(server)
    assert.equal(await countAccepted([server.port], 10), 20)
  })

  it('is exact between two Haraka processes on one Redis', async () => {
    const redis = await RedisServer.start()
    try {
      const sluice = onlyRules('  sender: {limit: 20/min}').replace('store: memory', `store: '${redis.url}'`)
      servers.push(await HarakaServer.start({ sluice }), await HarakaServer.start({ sluice }))
      assert.equal(
        await countAccepted(
          servers.map(({ port }) => port),
          10,
        ),
        20,
      )
    } finally {
      await redis.stop()
    }
  })

  it('keeps counts through a restart on the embedded store', async () => {
    const sluice = onlyRules('  sender: {limit: 2/min}').replace('store: memory', 'store: lmdb:data/sluice')
    let server = await HarakaServer.start({ sluice })
    const client = await SmtpClient.greet(server.port)
    await client.send('a@example.com', 'u@local.test')
    await client.send('a@example.com', 'u@local.test')
    await client.quit()
    assert.equal(await server.stop(), 0)
    server = await HarakaServer.start({ sluice, dir: server.dir })
    servers.push(server)
    const again = await SmtpClient.greet(server.port)
    assert.equal((await again.say('MAIL FROM:<a@example.com>')).code, 450)
  })

  it('goes on deciding when Redis stops answering, and says so once each way', async () => {
    const redis = await RedisServer.start()
    try {
      const sluice = onlyRules('  sender: {limit: 2/min}').replace('store: memory', `store: '${redis.url}'`)
      const server = await HarakaServer.start({ sluice })
      servers.push(server)
      const client = await SmtpClient.greet(server.port)
      await client.send('a@example.com', 'u@local.test')
      redis.pause()
      const asked = Date.now()
      const codes = []
      for (let count = 0; count < 3; count++) codes.push((await client.send('b@example.com', 'u@local.test')).code)
      assert.deepEqual(codes, [250, 250, 450])
      assert.ok(Date.now() - asked < 3000, `nine stages took ${Date.now() - asked} ms`)
      await server.waitForLog(/\[ERROR\] .*store lost/)
      redis.resume()
      await server.waitForLog(/store back after/)
      assert.equal((await client.send('a@example.com', 'u@local.test')).code, 250)
      assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 450, 'its count from before the loss is there')
    } finally {
      await redis.stop()
    }
  })
})

/** The server learns of a closed session in its own time: asks until it has. */
async function waitUntilGreeted(port: number): Promise<SmtpClient> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      return await SmtpClient.greet(port)
    } catch {
      // A refusal on parallel sessions may be remembered for up to a second.
      await delay(50)
    }
  }
  throw new Error('never let in')
}

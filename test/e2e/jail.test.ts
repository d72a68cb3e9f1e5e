import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HarakaServer } from '../support/haraka'
import { passwordsPlugin } from '../support/passwords'
import { RedisServer } from '../support/redis-server'
import { SmtpClient } from '../support/smtp-client'
import { sluice as runSluice } from '../unit/cli/command'

const PLUGINS = [
  'sluice/plugins/jail',
  'sluice/plugins/connections',
  'sluice/plugins/hardening',
  'no_rdns',
  'passwords',
  'relay',
  'rcpt_to.in_host_list',
  'queue/discard',
]
/** ann's password is right. */
const PASSWORDS = passwordsPlugin("user === 'ann' && password === 'right'")

const THIEF = '2001:db8:6:1::7'
const BANNED = /^421 4\.7\.0 Your address is banned, try again in .* \(sluice ban \w+\)$/

interface Setup {
  readonly store?: string
  readonly jail?: string
  readonly more?: string
}

describe('the jail, end to end', function () {
  this.timeout(90_000)
  const servers: HarakaServer[] = []
  let redis: RedisServer | undefined
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.remove()
    await redis?.stop()
    redis = undefined
  })

  async function start({
    store = 'lmdb:data/sluice',
    jail = 'mode: enforce, first: 1h, client: 3/h',
    more = '',
  }: Setup = {}) {
    const server = await HarakaServer.start({
      sluice: `mode: enforce\nstore: '${store}'\ntrusted: []\n${more}jail: {${jail}}\n`,
      plugins: PLUGINS,
      files: { '../plugins/passwords.js': PASSWORDS },
    })
    servers.push(server)
    return server
  }

  const sluice = (server: HarakaServer, ...args: string[]) => runSluice(...args, '--dir', server.dir)

  async function greeting(server: HarakaServer, from: string): Promise<string> {
    const client = await SmtpClient.connect(server.port, from)
    const { text } = await client.reply()
    await client.vanish()
    return text
  }

  const login = (user: string, password: string) =>
    `AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}`

  it('bans a client for its failed logins, at once and with the session it is in, and nobody else', async () => {
    const server = await start()
    // Haraka waits longer for each failure of a session: so one in each, and no waiting for the reply.
    for (let attempt = 0; attempt < 4; attempt++) {
      const client = await SmtpClient.greet(server.port, THIEF)
      assert.match((await client.say(login('ann', `guess${attempt}`))).text, /^(535 5\.7\.8|421 4\.7\.0)/)
      await client.vanish()
    }
    await server.waitForLog(
      /action=ban target=2001:db8:6:1::\/64 origin=jail duration_s=\d+ before=0 mode=enforce why="too many failed logins"/,
    )
    assert.match(await greeting(server, THIEF), BANNED)
    assert.match(await greeting(server, '2001:db8:6:1::8'), BANNED, 'the same customer')
    assert.match(await greeting(server, '2001:db8:6:2::7'), /^220 /, 'his neighbour')
    await server.waitForLog(/action=defer rule=ban mode=enforce stage=connect .* reason=ban /)
    // The decision log is written a moment later.
    await waitFor(async () => /banned for 1 hour/.test((await sluice(server, 'why', THIEF)).stdout))
  })

  it('counts a login that failed when the client hung up before it was told', async () => {
    const server = await start()
    for (let attempt = 0; attempt < 4; attempt++) {
      const client = await SmtpClient.greet(server.port, THIEF)
      client.write(login('ann', 'guess'))
      await client.vanish()
    }
    await server.waitForLog(/action=ban target=2001:db8:6:1::\/64/)
  })

  it('counts unknown recipients, relaying, wrong commands and probes', async () => {
    const server = await start()
    const offend = async (from: string, ...commands: string[]) => {
      const client = await SmtpClient.greet(server.port, from)
      for (const command of commands) {
        if (client.closed) break
        client.write(command)
        await client.reply().catch(() => undefined)
      }
      await client.quit()
    }
    const mail = 'MAIL FROM:<a@example.com>'
    const to = (count: number) => Array.from({ length: count }, (_, index) => `RCPT TO:<u${index}@elsewhere.test>`)
    await offend('2001:db8:6:1::7', mail, ...to(4))
    await server.waitForLog(/target=2001:db8:6:1::\/64 .* why="too many attempts to relay"/)
    await offend('2001:db8:6:2::7', 'VRFY a', 'VRFY b', 'EXPN c', 'VRFY d')
    await server.waitForLog(/target=2001:db8:6:2::\/64 .* why="too many VRFY and EXPN"/)
    await offend('2001:db8:6:3::7', 'NONSENSE', 'MAIL', 'DATA', 'NONSENSE', 'NONSENSE')
    await server.waitForLog(/target=2001:db8:6:3::\/64 .* why="too many protocol errors"/)
  })

  it('bans longer each time, and a network only for several offenders', async () => {
    const server = await start({ jail: 'mode: enforce, client: 1/h, first: 2s, longest: 1h, offenders: 2' })
    const earnBan = async (from: string) => {
      const client = await SmtpClient.greet(server.port, from)
      client.write('NONSENSE')
      client.write('NONSENSE')
      await client.waitForClose()
    }
    await earnBan(THIEF)
    const first = await server.waitForLog(/target=2001:db8:6:1::\/64 .* duration_s=(\d+) before=0/)
    assert.ok(Number(first[1]) >= 2 && Number(first[1]) <= 3, first[0])
    await earnBan('2001:db8:6:2::7')
    assert.match(await greeting(server, '2001:db8:6:9::7'), /^220 /)
    await earnBan('2001:db8:6:3::7')
    await server.waitForLog(/target=2001:db8:6::\/48 .* why="more than 2 banned clients in a day"/)
    assert.match(await greeting(server, '2001:db8:6:9::7'), BANNED)
    assert.match(await greeting(server, '2001:db8:7:9::7'), /^220 /)
  })

  it('slows logins of an account that is guessed at, and never bans an address for it', async () => {
    const server = await start({ jail: 'mode: enforce, client: 99/h, account: 2/h, slow: 1s' })
    for (let guess = 0; guess < 3; guess++) {
      const client = await SmtpClient.greet(server.port, `2001:db8:6:${guess}::7`)
      await client.say(login('ann', 'guess'))
      await client.quit()
    }
    await delay(300)
    const owner = await SmtpClient.greet(server.port, '2001:db8:8:8::8')
    const asked = performance.now()
    assert.match((await owner.say(login('ann', 'right'))).text, /^235 /)
    assert.ok(performance.now() - asked > 900, `held for ${performance.now() - asked} ms`)
    await owner.quit()
    assert.doesNotMatch(server.log, /action=ban/)
    const other = await SmtpClient.greet(server.port, '2001:db8:8:8::8')
    const askedToo = performance.now()
    await other.say(login('bob', 'x'))
    assert.ok(performance.now() - askedToo < 1900, 'one second is Haraka’s own')
    await other.quit()
  })

  it('in shadow bans nobody, shows whom it would, and applies what an operator bans', async () => {
    const server = await start({ jail: 'mode: shadow, client: 1/h, first: 1h' })
    const client = await SmtpClient.greet(server.port, THIEF)
    for (let wrong = 0; wrong < 3; wrong++) assert.equal((await client.say('NONSENSE')).code, 500)
    await client.quit()
    await server.waitForLog(/action=ban target=2001:db8:6:1::\/64/)
    assert.match(await greeting(server, THIEF), /^220 /)
    await server.waitForLog(/action=accept rule=ban mode=shadow/)
    assert.match((await sluice(server, 'bans')).stdout, /2001:db8:6:1::\/64 .* jail .* too many protocol errors/)
    assert.equal((await sluice(server, 'ban', '2001:db8:6:1::/64', '--for', '1h')).code, 0)
    await waitFor(async () => BANNED.test(await greeting(server, THIEF)))
  })

  it('never bans trusted, private and listed addresses, whatever they do or anybody asks for', async () => {
    const server = await start({
      jail: "mode: enforce, client: 1/h, never: ['2001:db8:7::/48']",
      more: 'session: {errors: 1000}\n',
    })
    for (const from of ['127.0.5.1', '2001:db8:7::1']) {
      const client = await SmtpClient.greet(server.port, from)
      for (let wrong = 0; wrong < 5; wrong++) assert.equal((await client.say('NONSENSE')).code, 500)
      await client.quit()
    }
    assert.doesNotMatch(server.log, /action=ban/)
    const refused = await sluice(server, 'ban', '127.0.0.1')
    assert.deepEqual(
      [refused.code, refused.stderr],
      [1, 'sluice: 127.0.0.1 is a private address, which is never banned\n'],
    )
    // A wider ban does not reach into what is protected either.
    assert.equal((await sluice(server, 'ban', '2001:db8::/32')).code, 0)
    await waitFor(async () => BANNED.test(await greeting(server, THIEF)))
    assert.match(await greeting(server, '2001:db8:7::1'), /^220 /)
  })

  it('bans accounts and sender domains at MAIL', async () => {
    const server = await start({ jail: 'mode: enforce, client: 99/h' })
    await sluice(server, 'ban', 'account:ann', '--for', '1h')
    await sluice(server, 'ban', 'spam.example', '--for', '1h')
    await waitFor(async () => (await server.get('/metrics')).text.includes('sluice_bans 2'))
    const client = await SmtpClient.greet(server.port, THIEF)
    assert.match(
      (await client.say('MAIL FROM:<a@mail.spam.example>')).text,
      /^450 4\.7\.1 This sender domain is banned/,
    )
    assert.equal((await client.say('MAIL FROM:<a@ham.example>')).code, 250)
    await client.say('RSET')
    await client.say(login('ann', 'right'))
    assert.match((await client.say('MAIL FROM:<a@ham.example>')).text, /^450 4\.7\.1 Your account is banned/)
    await client.quit()
  })

  it('lets an operator ban and lift over HTTP with the token, and nobody without', async () => {
    const server = await start()
    const token = readFileSync(path.join(server.dir, 'data/http-token'), 'utf8').trim()
    const call = async (method: string, where: string, body?: object, bearer = token) => {
      const response = await fetch(`http://127.0.0.1:${server.httpPort}${where}`, {
        method,
        headers: { authorization: `Bearer ${bearer}` },
        ...(body && { body: JSON.stringify(body) }),
      })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    }
    const ban = { target: '2001:db8:6:1::7', seconds: 600, reason: 'ssh', origin: 'fail2ban' }
    assert.equal((await call('POST', '/api/bans', ban, 'wrong')).status, 401)
    assert.equal((await call('POST', '/api/bans', ban)).status, 201)
    assert.match(await greeting(server, THIEF), BANNED)
    await server.waitForLog(
      /action=ban target=2001:db8:6:1::\/64 origin=fail2ban duration_s=600 before=0 mode=enforce why="ssh"/,
    )
    const [listed] = (await call('GET', '/api/bans')).body as unknown as [{ target: string; origin: string }]
    assert.deepEqual([listed.target, listed.origin], ['2001:db8:6:1::/64', 'fail2ban'])
    assert.match(
      String((await call('POST', '/api/bans', { ...ban, seconds: -1 })).body.error),
      /nothing stays for ever/,
    )
    assert.match(String((await call('POST', '/api/bans', { ...ban, ip: 'x' })).body.error), /unknown key "ip"/)
    assert.equal((await call('DELETE', '/api/bans/2001:db8:6:1::7')).status, 200)
    assert.equal((await call('DELETE', '/api/bans/2001:db8:6:1::7')).status, 404)
    assert.match(await greeting(server, THIEF), /^220 /)
    assert.doesNotMatch(server.log, new RegExp(token))
  })

  it('tells every server that shares a Redis at once, and a banned client costs no trip to it', async () => {
    redis = await RedisServer.start()
    const [one, two] = [await start({ store: redis.url }), await start({ store: redis.url })]
    await sluice(one, 'ban', '2001:db8:6:1::/64', '--for', '1h')
    await waitFor(async () => BANNED.test(await greeting(one, THIEF)) && BANNED.test(await greeting(two, THIEF)), 2000)
    const trips = async () => /^sluice_store_batches_total (\d+)$/m.exec((await two.get('/metrics')).text)![1]
    const before = await trips()
    for (let count = 0; count < 20; count++) assert.match(await greeting(two, THIEF), BANNED)
    assert.equal(await trips(), before)
    await sluice(two, 'unban', '2001:db8:6:1::/64')
    await waitFor(async () => /^220 /.test(await greeting(one, THIEF)), 2000)
  })

  it('remembers bans through a restart', async () => {
    const server = await start()
    await sluice(server, 'ban', '2001:db8:6:1::/64', '--for', '1h')
    await server.stop()
    const again = await HarakaServer.start({
      dir: server.dir,
      sluice: 'mode: enforce\ntrusted: []\njail: {mode: enforce}\n',
      plugins: PLUGINS,
      files: { '../plugins/passwords.js': PASSWORDS },
    })
    servers.push(again)
    assert.match(await greeting(again, THIEF), BANNED)
  })
})

/** Looks again and again, since another process acts in its own time. */
async function waitFor(is: () => Promise<boolean>, mostMs = 5000): Promise<void> {
  const deadline = Date.now() + mostMs
  while (!(await is())) {
    assert.ok(Date.now() < deadline, `not so within ${mostMs} ms`)
    await delay(50)
  }
}

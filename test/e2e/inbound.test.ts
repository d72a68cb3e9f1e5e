import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { DnsList } from '../support/dns-list'
import { DnsServer } from '../support/dns-server'
import { HarakaServer } from '../support/haraka'
import { RedisServer } from '../support/redis-server'
import { SmtpClient } from '../support/smtp-client'

const INBOUND = ['overload', 'jail', 'connections', 'hardening', 'dnsbl', 'rdns', 'reputation', 'messages', 'score']
const PLUGINS = [
  ...INBOUND.map((name) => `sluice/plugins/${name}`),
  'no_rdns',
  'rcpt_to.in_host_list',
  'sluice/plugins/greylist',
  'sluice/plugins/mailbomb',
  'queue/discard',
]
const CLIENT = '2001:db8:1::1'
const BAD = '2001:db8:2::1'

describe('every inbound plugin together, end to end', function () {
  this.timeout(90_000)
  let redis: RedisServer
  let dns: DnsServer
  let server: HarakaServer

  beforeEach(async () => {
    redis = await RedisServer.start()
    dns = await DnsServer.start()
    new DnsList(dns, 'bad.test')
    const modes = ['jail', 'score', 'reputation', 'mailbomb', 'rdns'].map((name) => `${name}: {mode: enforce}`)
    const sluice = [
      'mode: enforce',
      `store: '${redis.url}'`,
      'trusted: []',
      `dns: {servers: ['${dns.address}']}`,
      'dnsbl: {mode: enforce, zones: [{zone: bad.test, weight: 8}]}',
      'greylist: {mode: enforce, delay: 1s}',
      ...modes,
      // So that every stage has something to ask, and the figures that come again and again bind nobody.
      'limits:',
      '  volume: {count: bytes, per: network, limit: 500MB/h}',
      '  connection_rate: {limit: 1000/min}',
      '  sender: {limit: 1000/min}',
      '',
    ]
    server = await HarakaServer.start({ sluice: sluice.join('\n'), plugins: PLUGINS })
  })
  afterEach(async () => {
    await server.remove()
    await dns.close()
    await redis.stop()
  })

  async function batches(): Promise<number> {
    const { text } = await server.get('/metrics')
    return Number(/^sluice_store_batches_total (\d+)/m.exec(text)![1])
  }

  /** How many batches the store is sent while something happens; nothing else happens meanwhile. */
  async function during<T>(action: () => Promise<T>): Promise<[number, T]> {
    const before = await batches()
    const result = await action()
    return [(await batches()) - before, result]
  }

  async function send(): Promise<string> {
    const client = await SmtpClient.greet(server.port, CLIENT)
    const { text } = await client.send('a@example.com', 'u@local.test')
    await client.quit()
    await server.waitForGauge('sluice_sessions_open', 0)
    return text
  }

  it('asks the store at most once a stage of a message, and once more when all is over', async () => {
    assert.match(await send(), /^451 .*\(sluice greylist /)
    for (let attempt = 0; ; attempt++) {
      const said = await send()
      if (said.startsWith('250 ')) break
      assert.ok(attempt < 10, said)
      await delay(300)
    }
    // From here on the client is known.
    let client!: SmtpClient
    const connect = async () => {
      client = await SmtpClient.connect(server.port, CLIENT)
      return client.reply()
    }
    const steps: [string, number, () => Promise<{ text: string }>][] = [
      ['connect', 1, connect],
      ['EHLO', 0, () => client.say('EHLO client.test')],
      ['MAIL', 1, () => client.say('MAIL FROM:<a@example.com>')],
      ['RCPT, and its being valid', 2, () => client.say('RCPT TO:<u@local.test>')],
      ['DATA', 0, () => client.say('DATA')],
      ['the message', 1, () => client.say('Subject: test\r\n\r\nhello\r\n.')],
    ]
    for (const [name, most, step] of steps) {
      const [trips, { text }] = await during(step)
      assert.match(text, /^(220|250|354)/, `${name}: ${text}`)
      assert.equal(trips, most, `${name}: ${text}`)
    }
    const [trips] = await during(async () => {
      await client.quit()
      await server.waitForGauge('sluice_sessions_open', 0)
    })
    assert.ok(trips <= 1, `${trips} at the end`)
  })

  it('asks nothing about a banned client', async () => {
    await server.ban(BAD)
    const [trips, said] = await during(async () => {
      const texts: string[] = []
      for (let attempt = 0; attempt < 20; attempt++) {
        const client = await SmtpClient.connect(server.port, BAD)
        texts.push((await client.reply()).text)
        await client.waitForClose()
      }
      return texts
    })
    for (const text of said) assert.match(text, /^421 4\.7\.0 Your address is banned/)
    assert.equal(trips, 0)
    const { text } = await server.get('/metrics')
    assert.match(text, /^sluice_decisions_total\{[^}]*rule="ban"[^}]*\} 20$/m)
  })
})

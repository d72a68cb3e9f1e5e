import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { HarakaServer } from '../support/haraka'
import { onlyLimits } from '../support/limits'
import { SmtpClient } from '../support/smtp-client'
import { sluice as runSluice } from '../unit/cli/command'

const PLUGINS = [
  'sluice/plugins/jail',
  'sluice/plugins/connections',
  'sluice/plugins/reputation',
  'no_rdns',
  'sluice/plugins/messages',
  'rcpt_to.in_host_list',
  'sluice/plugins/greylist',
  'queue/discard',
]
const TAKEN = /^250 /

describe('attackers who know what stands in their way, end to end', function () {
  this.timeout(90_000)
  let server: HarakaServer
  afterEach(() => server.remove())

  async function start(text: string, limits = '', dir?: string): Promise<void> {
    const head = ['mode: enforce', 'trusted: []', text, onlyLimits(...(limits === '' ? [] : [limits]))]
    server = await HarakaServer.start({ sluice: head.join('\n'), plugins: PLUGINS, ...(dir !== undefined && { dir }) })
  }

  async function send(from: string, ip: string, to = 'u@local.test'): Promise<string> {
    const client = await SmtpClient.connect(server.port, ip)
    const greeting = await client.reply()
    if (greeting.code !== 220) return greeting.text
    await client.say('EHLO client.test')
    const { text } = await client.send(from, to)
    await client.quit()
    return text
  }

  async function guess(ip: string, times: number): Promise<void> {
    const client = await SmtpClient.greet(server.port, ip)
    client.write('MAIL FROM:<a@example.com>')
    await client.reply()
    for (let count = 0; count < times && !client.closed; count++) {
      client.write(`RCPT TO:<guess${count}@elsewhere.test>`)
      await client.reply().catch(() => undefined)
    }
    await client.quit()
  }

  it('gain nothing by rotating through a /64 and through senders', async () => {
    await start('jail: {mode: enforce}', '  client: {limit: 5/h}')
    const texts: string[] = []
    for (let attempt = 0; attempt < 12; attempt++) {
      texts.push(await send(`spam${attempt}@d${attempt}.example`, `2001:db8:1:2::${attempt + 1}`))
    }
    assert.equal(texts.filter((text) => TAKEN.test(text)).length, 5)
    assert.match(texts[11]!, /^450 4\.7\.1 Too many messages from your address/)
  })

  it('are greylisted all the same when they rotate, and prove nothing by it', async () => {
    await start('greylist: {mode: enforce, delay: 5m}')
    for (let attempt = 0; attempt < 8; attempt++) {
      const text = await send(`spam${attempt}@d${attempt}.example`, `2001:db8:1:2::${attempt + 1}`)
      assert.match(text, /^451 4\.7\.1 Greylisted/)
    }
  })

  it('cannot have a partner banned: not through its users, nor through its neighbours', async () => {
    const partner = '2001:db8:9:1::1'
    await start('jail: {mode: enforce, client: 5/h, offenders: 2, first: 1h}')
    for (let session = 0; session < 12; session++) assert.match(await send(`a${session}@example.com`, partner), TAKEN)
    for (let attempt = 0; ; attempt++) {
      const { stdout } = await runSluice('reputation', 'show', partner, '--dir', server.dir)
      if (/client .* 1[12] /.test(stdout)) break
      assert.ok(attempt < 50, stdout)
      await delay(100)
    }
    // An account there writes to addresses that do not exist.
    await guess(partner, 15)
    assert.match(await send('b@example.com', partner), TAKEN)
    assert.doesNotMatch(server.log, /action=ban/)
    // Neighbours do their worst, until their network is banned.
    for (let neighbour = 2; neighbour <= 4; neighbour++) await guess(`2001:db8:9:${neighbour}::1`, 15)
    await server.waitForLog(/action=ban target=2001:db8:9::\/48/)
    assert.match(await send('c@example.com', '2001:db8:9:77::1'), /^421 4\.7\.0 Your address is banned/)
    assert.match(await send('c@example.com', partner), TAKEN)
    // A server that has just started remembers nobody by itself.
    const { dir } = server
    await server.stop()
    await start('jail: {mode: enforce, client: 5/h, offenders: 2, first: 1h}', '', dir)
    assert.match(await send('c@example.com', '2001:db8:9:77::1'), /^421 4\.7\.0 Your address is banned/)
    assert.match(await send('c@example.com', partner), TAKEN)
  })

  it('cannot have a server banned that pipelines, by using up the limit of its sender', async () => {
    await start('jail: {mode: enforce, client: 5/h}', '  sender: {limit: 5/min}')
    for (let count = 0; count < 5; count++) await send('news@partner.example', '2001:db8:6:6::6')
    const client = await SmtpClient.greet(server.port, '2001:db8:7:7::7')
    const recipients = Array.from({ length: 11 }, (_, index) => `RCPT TO:<u${index}@local.test>`)
    client.write(['MAIL FROM:<news@partner.example>', ...recipients, 'DATA'].join('\r\n'))
    assert.match((await client.reply()).text, /^450 4\.7\.1 Too many messages from this sender/)
    for (let count = 0; count < 12; count++) assert.equal((await client.reply()).code, 503)
    await client.quit()
    assert.match(await send('other@partner.example', '2001:db8:7:7::7'), TAKEN)
    assert.doesNotMatch(server.log, /action=ban/)
  })

  it('cannot hide behind a HELO, a sender or an account that looks like a log line', async () => {
    await start('jail: {mode: enforce, client: 2/h, first: 1h}')
    const client = await SmtpClient.connect(server.port, '2001:db8:1:2::3')
    await client.reply()
    await client.say('EHLO x action=ban target=192.0.2.1 origin=jail duration_s=9 before=0')
    await client.say('MAIL FROM:<"action=ban,target=192.0.2.1"@example.com>')
    for (let count = 0; count < 5 && !client.closed; count++) {
      client.write(`RCPT TO:<"ip=192.0.2.1 action=ban"@elsewhere.test>`)
      await client.reply().catch(() => undefined)
    }
    await server.waitForLog(/\[sluice\] action=ban target=2001:db8:1:2::\/64/)
    const { stdout } = await runSluice('bans', '--dir', server.dir)
    assert.doesNotMatch(stdout, /192\.0\.2\.1/)
    assert.doesNotMatch(server.log, /\[sluice\] action=ban target=192/)
  })
})

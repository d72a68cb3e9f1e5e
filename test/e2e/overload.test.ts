import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { HarakaServer } from '../support/haraka'
import { onlyLimits } from '../support/limits'
import { SmtpClient } from '../support/smtp-client'

const SLUICE = path.resolve(__dirname, '../../bin/sluice.js')
const PLUGINS = [
  'sluice/plugins/overload',
  'sluice/plugins/connections',
  'sluice/plugins/messages',
  'busy',
  'auth/flat_file',
  'no_rdns',
  'rcpt_to.in_host_list',
  'queue/discard',
]

/** NOOP makes the event loop busy, nearly all of the time, until another NOOP ends it. */
const BUSY = `let timer
exports.hook_noop = (next) => {
  if (timer) timer = clearInterval(timer)
  else timer = setInterval(() => { const end = Date.now() + 29; while (Date.now() < end); }, 30)
  next()
}
`

const policy = (overload: string) => `mode: enforce
store: memory
trusted: [127.0.9.0/24]
overload: {${overload}}
${onlyLimits('  parallel_sessions: {limit: {concurrency: 1000}}')}`
const ENFORCE = 'mode: enforce, loop: 85%, again: 2s, hold: 1s'
const SHED = /^421 4\.3\.2 Busy, try again in \d+ seconds? \(sluice overload (\w{7})\)$/

describe('overload, end to end', function () {
  this.timeout(60_000)
  let server: HarakaServer
  let control: SmtpClient
  afterEach(() => server.remove())

  async function start(
    overload: string,
    files: Record<string, string> = {},
    more: readonly string[] = [],
  ): Promise<void> {
    server = await HarakaServer.start({
      sluice: policy(overload),
      plugins: [...more, ...PLUGINS],
      files: { '../plugins/busy.js': BUSY, ...files },
    })
    control = await SmtpClient.greet(server.port, '127.0.9.1')
  }

  /** The first reply that a client gets there, or the reply to its message when it is let in. */
  async function send(ip: string): Promise<string> {
    const client = await SmtpClient.connect(server.port, ip)
    const greeting = await client.reply()
    if (greeting.code !== 220) return greeting.text
    await client.say('EHLO client.test')
    const { text } = await client.send('a@example.com', 'u@local.test')
    await client.quit()
    return text
  }

  const level = async () => Number(/^sluice_load_level (\S+)/m.exec((await server.get('/metrics')).text)![1])
  const shed = async (kind: string) =>
    Number(
      new RegExp(`^sluice_shed_total\\{kind="${kind}"\\} (\\d+)`, 'm').exec((await server.get('/metrics')).text)![1],
    )

  async function strain(): Promise<void> {
    await control.say('NOOP')
    await server.waitForLog(/load level 3, was \d: strangers are deferred, .*loop \d+ %/)
  }

  /** The strain has just ended: known clients are let in, and strangers not before a second has passed. */
  async function calm(): Promise<void> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const { text } = await server.get('/metrics')
      const pressure = Number(/^sluice_load_pressure\{of="loop"\} (\S+)/m.exec(text)![1])
      if (pressure < 0.8 && /^sluice_load_level 3$/m.test(text)) return
      await delay(10)
    }
    throw new Error(`the load level is ${await level()}, not 3`)
  }

  async function logIn(ip: string): Promise<void> {
    const client = await SmtpClient.greet(server.port, ip)
    const credentials = Buffer.from('\0ann\0secret').toString('base64')
    assert.equal((await client.say(`AUTH PLAIN ${credentials}`)).code, 235)
    assert.equal((await client.say('MAIL FROM:<ann@local.test>')).code, 250)
    await client.quit()
  }

  it('turns strangers away, and lets in who has delivered or logged in before, and trusted networks', async () => {
    await start(ENFORCE, { 'auth_flat_file.ini': '[core]\nmethods=PLAIN\n[users]\nann=secret\n' })
    const networks = [0, 1, 2, 3, 4]
    for (const network of networks) assert.match(await send(`127.1.${network}.1`), /^250 /)
    for (const network of networks) await logIn(`127.4.${network}.1`)
    await strain()
    const answers = (second: number) => Promise.all(networks.map((network) => send(`127.${second}.${network}.2`)))
    // When it is over, known clients are let in at once, and strangers after a second of calm.
    await control.say('NOOP')
    await calm()
    for (const text of await answers(3)) assert.match(text, SHED)
    for (const text of [...(await answers(1)), ...(await answers(4))]) assert.match(text, /^250 /)
    assert.match(await send('127.0.9.2'), /^250 /, 'trusted')
    assert.equal(await shed('stranger'), 5)
    assert.equal((await server.get('/readyz')).status, 200)
    assert.equal(server.child.exitCode, null)
  })

  it('is itself again within seconds, and says why it turned somebody away', async () => {
    await start(ENFORCE)
    await strain()
    const [, ref] = SHED.exec(await send('127.0.6.1'))!
    await server.waitForLog(
      new RegExp(`action=defer rule=overload mode=enforce stage=connect ref=${ref} ip=127.0.6.1 `),
    )
    await control.say('NOOP')
    await server.waitForLog(/load level 0, was \d: all are let in/, 10_000)
    assert.equal(await level(), 0)
    assert.match(await send('127.0.6.1'), /^250 /)
    await server.stop()
    const args = ['why', ref!, '--dir', server.dir]
    const { stdout } = await promisify(execFile)(process.execPath, [SLUICE, ...args], {
      env: { ...process.env, NO_COLOR: '1' },
    })
    assert.match(stdout, /a connection from 127\.0\.6\.1 was deferred/)
    assert.match(
      stdout,
      /the server was at load level \d(\.\d+)? of 4, and a stranger is deferred, \d+ % of such clients/,
    )
  })

  it('does not make itself known by the part of a flood that gets in', async () => {
    await start(ENFORCE)
    await strain()
    await control.say('NOOP')
    await server.waitForLog(/load level 2, was 3/)
    for (let host = 1; host <= 20; host++) await send(`127.0.${20 + host}.1`)
    await control.say('NOOP')
    await delay(500)
    for (let host = 1; host <= 20; host++) assert.match(await send(`127.0.${20 + host}.1`), SHED)
    assert.equal(await shed('partner'), 0)
  })

  it('turns away whom XCLIENT shows, though Haraka has the name and goes straight to connect', async () => {
    await start(ENFORCE, { 'xclient.hosts': '127.0.0.60\n' }, ['xclient'])
    // Only known clients come past the connection itself.
    assert.match(await send('127.0.0.60'), /^250 /)
    const client = await SmtpClient.greet(server.port, '127.0.0.60')
    await strain()
    const shown = await client.say('XCLIENT ADDR=203.0.113.77 NAME=mail.example.com')
    assert.match(shown.text, SHED)
  })

  it('ends sessions of strangers at MAIL and DATA, takes what is on its way in, and lets known clients go on', async () => {
    await start(ENFORCE)
    assert.match(await send('127.1.0.1'), /^250 /)
    const open = async (ip: string, ...commands: string[]) => {
      const client = await SmtpClient.greet(server.port, ip)
      for (const command of commands) await client.say(command)
      return client
    }
    const envelope = ['MAIL FROM:<a@example.com>', 'RCPT TO:<u@local.test>']
    const atMail = await open('127.3.0.1')
    const atData = await open('127.3.1.1', ...envelope)
    const inData = await open('127.3.2.1', ...envelope, 'DATA')
    const partner = await open('127.1.0.2')
    await strain()
    assert.match((await atMail.say(envelope[0]!)).text, SHED)
    assert.match((await atData.say('DATA')).text, SHED)
    assert.match((await inData.say('Subject: test\r\n\r\ntext\r\n.')).text, /^250 /)
    assert.match((await partner.send('b@example.com', 'u@local.test')).text, /^250 /)
    await server.waitForLog(/action=defer rule=overload mode=enforce stage=data .*ip=127\.3\.1\.1 /)
    assert.equal(await shed('stranger'), 2)
    await Promise.all([inData.quit(), partner.quit()])
  })

  it('turns nobody away in shadow, but says whom it would have', async () => {
    await start('loop: 85%')
    await control.say('NOOP')
    await server.waitForLog(/load level 3, was \d: strangers would be deferred, .*\(shadow\); .*loop \d+ %/)
    assert.match(await send('127.0.6.1'), /^250 /)
    await server.waitForLog(/action=accept rule=overload mode=shadow stage=connect .*ip=127\.0\.6\.1 .*reason=overload/)
    assert.equal(await shed('stranger'), 0)
    assert.equal(server.log.match(/rule=overload .*ip=127\.0\.6\.1 /g)!.length, 1, 'once')
  })

  it('counts the sessions it lets in, and none that it turns away', async () => {
    await start(ENFORCE)
    assert.match(await send('127.1.0.1'), /^250 /)
    await server.waitForGauge('sluice_sessions_open', 0)
    await strain()
    await control.say('NOOP')
    await calm()
    const partner = await SmtpClient.greet(server.port, '127.1.0.2')
    // Behind a proxy strangers come as far as the hooks.
    const stranger = await SmtpClient.connect(server.port, '127.0.0.50')
    stranger.write('PROXY TCP4 192.0.2.9 192.0.2.1 4000 25')
    assert.match((await stranger.reply()).text, SHED)
    assert.match(await send('127.3.0.1'), SHED)
    await stranger.waitForClose()
    await server.waitForGauge('sluice_sessions_open', 1)
    await partner.quit()
    await server.waitForGauge('sluice_sessions_open', 0)
  })

  it('lets a proxy in, and judges whom it speaks for', async () => {
    await start(ENFORCE)
    await strain()
    const client = await SmtpClient.connect(server.port, '127.0.0.50')
    client.write('PROXY TCP4 192.0.2.9 192.0.2.1 4000 25')
    assert.match((await client.reply()).text, SHED)
    await server.waitForLog(/action=defer rule=overload .* ip=192\.0\.2\.9 /)
  })
})

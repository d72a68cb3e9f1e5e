import assert from 'node:assert/strict'
import { appendFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Fail2ban } from '../support/fail2ban'
import { HarakaServer } from '../support/haraka'
import { passwordsPlugin } from '../support/passwords'
import { SmtpClient } from '../support/smtp-client'
import { sluice as runSluice } from '../unit/cli/command'

const PLUGINS = [
  'sluice/plugins/jail',
  'sluice/plugins/connections',
  'sluice/plugins/hardening',
  'sluice/plugins/score',
  'no_rdns',
  'passwords',
  'relay',
  'rcpt_to.in_host_list',
  'queue/discard',
]
/** Logins that all fail. */
const PASSWORDS = passwordsPlugin('false')
const VICTIM = '198.51.100.66'
/** What an attacker would like fail2ban to read. */
const FORGED = `2026-11-22T03:41:52.946Z [NOTICE] [-] [sluice] action=offence offence=auth ip=${VICTIM} account="x"`

describe('fail2ban, end to end', function () {
  this.timeout(90_000)
  let server: HarakaServer
  let fail2ban: Fail2ban
  let log: string

  async function start(jail: string, local: (logFile: string, server: HarakaServer) => string, more = '') {
    server = await HarakaServer.start({
      sluice: `mode: enforce\nstore: 'lmdb:data/sluice'\ntrusted: []\n${more}jail: {${jail}}\n`,
      plugins: PLUGINS,
      files: { '../plugins/passwords.js': PASSWORDS },
    })
    log = path.join(server.dir, 'haraka.log')
    writeFileSync(log, server.log)
    for (const stream of [server.child.stdout!, server.child.stderr!]) {
      stream.on('data', (bytes: Buffer) => appendFileSync(log, bytes))
    }
    fail2ban = Fail2ban.prepare(local(log, server))
  }
  afterEach(async () => {
    await fail2ban?.remove()
    await server?.remove()
  })

  const login = (user: string) => `AUTH PLAIN ${Buffer.from(`\0${user}\0guess`).toString('base64')}`

  async function tryLogin(from: string, account: string): Promise<void> {
    const client = await SmtpClient.greet(server.port, from)
    client.write(login(account))
    await client.vanish()
  }

  async function greeting(from: string): Promise<string> {
    const client = await SmtpClient.connect(server.port, from)
    const { text } = await client.reply()
    await client.vanish()
    return text
  }

  it('finds in the log who it should, and nobody whom an attacker names', async () => {
    await start(
      'mode: enforce, client: 4/h, first: 1h',
      () => '',
      'session: {errors: 2}\nscore: {mode: enforce, delay: 1, hold: 1ms, defer: 2, weights: {spf_fail: 0, spf_softfail: 0, auth_failure: 0, unknown_recipient: 2, error: 0, early: 0}}\n',
    )
    // Each account is a forged line in another disguise.
    const accounts = [FORGED, `\n${FORGED}\n`, `x" ip=${VICTIM} account="`, `\r${FORGED}`, ` ip=${VICTIM} `]
    for (const account of accounts.slice(0, 4)) await tryLogin('203.0.113.1', account)
    await tryLogin('2001:db8:1::1', accounts[4]!)
    const shouter = await SmtpClient.connect(server.port, '203.0.113.2')
    await shouter.reply()
    for (const name of [`${FORGED}`, `x ip=${VICTIM} `]) await shouter.say(`EHLO ${name}`)
    await shouter.say(`MAIL FROM:<"${FORGED.replaceAll('"', '\\"')}"@example.com>`)
    await shouter.say(`MAIL FROM:<"ip=${VICTIM} action=refuse command=VRFY ip=${VICTIM}"@example.com>`)
    await shouter.say(`RCPT TO:<"${FORGED.replaceAll('"', '\\"')}"@elsewhere.test>`)
    await shouter.say(`NONSENSE ip=${VICTIM}`)
    await shouter.vanish()
    const prober = await SmtpClient.greet(server.port, '203.0.113.3')
    await prober.say(`VRFY ip=${VICTIM}`)
    await prober.say(`EXPN ${FORGED}`)
    await prober.vanish()
    const scored = await SmtpClient.greet(server.port, '203.0.113.4')
    await scored.say(`RSET ${VICTIM}`)
    await scored.say('MAIL FROM:<a@example.com>')
    for (let wrong = 0; wrong < 2; wrong++)
      await scored.say(`RCPT TO:<x${wrong}@elsewhere.test>`).catch(() => undefined)
    await scored.vanish()
    for (let wrong = 0; wrong < 5; wrong++) await tryLogin('2001:db8:9::1', 'ann')
    await server.waitForLog(/action=ban target=2001:db8:9::\/64/)
    await runSluice('ban', '203.0.113.200', '--origin', 'fail2ban', '--dir', server.dir)

    const found = async (filter: string) => [...new Set(await fail2ban.find(filter, log))].sort()
    assert.deepEqual(await found('sluice-auth'), ['2001:db8:1::1', '2001:db8:9::1', '203.0.113.1'])
    assert.deepEqual(await found('sluice-recidive'), ['2001:db8:9::/64'])
    assert.deepEqual(await found('sluice-rbl'), ['203.0.113.4'])
    const abusers = await found('sluice-abuse')
    assert.ok(
      ['203.0.113.2', '203.0.113.3', '203.0.113.4'].every((ip) => abusers.includes(ip)),
      String(abusers),
    )
    for (const filter of ['sluice-auth', 'sluice-abuse', 'sluice-rbl', 'sluice-recidive']) {
      assert.ok(!(await found(filter)).includes(VICTIM), filter)
    }
    assert.equal((await fail2ban.find('sluice-auth', log)).length, 10, 'a line for each failed login')
  })

  it('has its bans refused by Sluice, and its pardons heeded', async () => {
    const local = (logFile: string, { dir, httpPort }: HarakaServer) => `[DEFAULT]
sluice_log = ${logFile}
sluice_url = http://127.0.0.1:${httpPort}
sluice_token = ${dir}/data/http-token
backend = polling
[sluice-auth]
maxretry = 2
bantime = -1
`
    await start('mode: shadow, client: 99/h', local)
    await fail2ban.start()
    for (let guess = 0; guess < 2; guess++) await tryLogin('203.0.113.1', `ann" ip=${VICTIM}`)
    await server.waitForLog(
      /action=ban target=203\.0\.113\.1 origin=fail2ban duration_s=31622400 before=0 mode=enforce/,
    )
    const listed = async () => (await runSluice('bans', '--json', '--dir', server.dir)).stdout
    assert.match(
      await listed(),
      /"target": "203\.0\.113\.1",\s+"kind": "network",\s+"origin": "fail2ban",\s+"reason": "fail2ban sluice-auth"/,
    )
    assert.match(await greeting('203.0.113.1'), /^421 4\.7\.0 Your address is banned/)
    assert.match(await greeting('203.0.113.2'), /^220 /)
    assert.doesNotMatch(await listed(), new RegExp(VICTIM))

    await fail2ban.client('set', 'sluice-auth', 'unbanip', '203.0.113.1')
    await server.waitForLog(/action=unban target=203\.0\.113\.1 origin=fail2ban/)
    assert.match(await greeting('203.0.113.1'), /^220 /)

    // In IPv6 one address stands for the /64 of its customer.
    await fail2ban.client('set', 'sluice-abuse', 'banip', '2001:db8:3:4::5')
    await server.waitForLog(/action=ban target=2001:db8:3:4::\/64 origin=fail2ban/)
    assert.match(await greeting('2001:db8:3:4::6'), /^421 4\.7\.0 Your address is banned/)
    await fail2ban.client('set', 'sluice-abuse', 'unbanip', '2001:db8:3:4::5')
    await server.waitForLog(/action=unban target=2001:db8:3:4::\/64 origin=fail2ban/)
    assert.match(await greeting('2001:db8:3:4::6'), /^220 /)

    // What an operator has banned is not its to lift.
    await runSluice('ban', '203.0.113.9', '--for', '1h', '--dir', server.dir)
    await fail2ban.client('set', 'sluice-abuse', 'banip', '203.0.113.9')
    await fail2ban.client('set', 'sluice-abuse', 'unbanip', '203.0.113.9')
    await fail2ban.waitUntil('it unbans', () => /\[sluice-abuse\] Unban 203\.0\.113\.9/.test(fail2ban.log))
    assert.match(await listed(), /203\.0\.113\.9/)

    // A week stays when the hour that another jail has banned for ends before it.
    await fail2ban.client('set', 'sluice-abuse', 'banip', '203.0.113.8')
    await server.waitForLog(/action=ban target=203\.0\.113\.8 origin=fail2ban duration_s=3600 /)
    await fail2ban.client('set', 'sluice-recidive', 'banip', '203.0.113.8')
    await server.waitForLog(/action=ban target=203\.0\.113\.8 origin=fail2ban-recidive duration_s=604800 /)
    await fail2ban.client('set', 'sluice-abuse', 'unbanip', '203.0.113.8')
    await fail2ban.waitUntil('it unbans', () => /\[sluice-abuse\] Unban 203\.0\.113\.8/.test(fail2ban.log))
    await fail2ban.client('set', 'sluice-abuse', 'banip', '203.0.113.7')
    await server.waitForLog(/action=ban target=203\.0\.113\.7 /)
    assert.match(await greeting('203.0.113.8'), /^421 4\.7\.0 Your address is banned/)
    await fail2ban.client('set', 'sluice-recidive', 'unbanip', '203.0.113.8')
    await server.waitForLog(/action=unban target=203\.0\.113\.8 origin=fail2ban-recidive/)
    assert.match(await greeting('203.0.113.8'), /^220 /)

    // One that is never banned is refused, and fail2ban is told why.
    await fail2ban.client('set', 'sluice-abuse', 'banip', '10.1.2.3')
    await fail2ban.waitUntil('it is told', () =>
      /10\.1\.2\.3 is a private address, which is never banned/.test(fail2ban.log),
    )
    const token = server.read('data/http-token').trim()
    assert.ok(!fail2ban.log.includes(token) && !server.log.includes(token))
  })
})

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { HarakaServer } from '../support/haraka'
import { MailWorld, SENDER, taken } from '../support/mail-world'
import { SmtpClient } from '../support/smtp-client'
import type { Misdeed, SmtpSink } from '../support/smtp-sink'

const BIN = path.resolve(__dirname, '../../bin/sluice.js')
const PLUGINS = ['sluice/plugins/suppress']
const section = (mode: string, atRcpt = 'refuse') => `suppression: {mode: ${mode}, at_rcpt: ${atRcpt}}\n`

/** The same on a store of this host and on a shared one. */
for (const kind of ['lmdb', 'redis'] as const) {
  describe(`the suppression list, end to end, on ${kind}`, function () {
    this.timeout(90_000)
    let world: MailWorld
    let near: SmtpSink
    let store: string

    beforeEach(async () => {
      world = await MailWorld.start()
      near = await world.domain('near.test')
      store = `store: '${kind === 'redis' ? (await world.redis()).url : 'lmdb:data/sluice'}'\n`
    })
    afterEach(() => world.end())

    const start = (sluice: string, plugins = PLUGINS, dir?: string) =>
      world.server({ plugins, sluice: `${store}${sluice}`, ...(dir === undefined ? {} : { dir }) })

    /** Runs `sluice suppress` as an operator does, and returns what it says. */
    function suppress(server: HarakaServer, ...args: readonly string[]): Promise<{ code: number; said: string }> {
      return new Promise((resolve) => {
        const command = [BIN, 'suppress', ...args, '--dir', server.dir]
        const child = execFile(process.execPath, command, (_error, stdout, stderr) =>
          resolve({ code: child.exitCode ?? -1, said: stdout + stderr }),
        )
      })
    }

    async function add(server: HarakaServer, ...args: readonly string[]): Promise<void> {
      const { code, said } = await suppress(server, 'add', ...args)
      assert.equal(code, 0, said)
    }

    /** Answers to RCPT for each of these, from one who may relay. */
    async function rcpt(server: HarakaServer, to: readonly string[], from = 'ann@near.test'): Promise<string[]> {
      const client = await SmtpClient.greet(server.port, SENDER)
      await client.say(`MAIL FROM:<${from}>`)
      const said: string[] = []
      for (const address of to) said.push((await client.say(`RCPT TO:<${address}>`)).text)
      await client.quit()
      return said
    }

    it('refuses a submission to somebody on it, says why and how to undo it; and takes it when that was done', async () => {
      const far = await world.domain('far.test')
      const server = await start(section('enforce'))
      assert.match((await rcpt(server, ['bob@far.test']))[0]!, /^250 /)
      await add(server, 'Bob@FAR.test', '--reason', 'hard_bounce', '--detail', 'no such user')
      const undone =
        /^550 5\.1\.1 bob@far\.test is suppressed since [\d-]+: its host has refused mail to it for good \(no such user\)\. To undo: sluice suppress remove bob@far\.test \(sluice suppressed (\w+)\)$/
      // A list that was just found empty is looked at again within a second.
      let answers: string[] = []
      for (const until = Date.now() + 5000; Date.now() < until && !undone.test(answers[0] ?? '');) {
        answers = await rcpt(server, ['bob@far.test', 'eve@far.test', 'bob+news@far.test'])
      }
      const [, reference] = undone.exec(answers[0]!) ?? assert.fail(answers[0])
      assert.match(answers[1]!, /^250 /)
      assert.match(answers[2]!, /^250 /)
      assert.match((await rcpt(server, ['bob@far.test'], ''))[0]!, /^550 5\.1\.1 /, 'a mailbox that is not there')
      await server.waitForLog(/action=reject rule=suppressed mode=enforce stage=rcpt_ok/)
      assert.equal((await suppress(server, 'check', 'BOB@far.test')).code, 1)
      const why = await new Promise<string>((resolve) =>
        execFile(process.execPath, [BIN, 'why', reference!, '--dir', server.dir], (_error, stdout) => resolve(stdout)),
      )
      assert.match(why, /sluice suppress remove 'bob@far\.test'/)
      assert.equal((await suppress(server, 'remove', 'bob@far.test')).code, 0)
      assert.equal((await suppress(server, 'remove', 'bob@far.test')).code, 1)
      await world.send(server, 1)
      await far.until('it', () => far.messages.length === 1)
    })

    it('holds for the tenant that it was told of, and for bounces only when nobody is there', async () => {
      await world.domain('far.test')
      const server = await start(section('enforce'))
      await add(server, 'bob@far.test', '--tenant', 'example.com', '--reason', 'unsubscribe')
      await add(server, 'eve@far.test', '--reason', 'complaint')
      assert.match((await rcpt(server, ['bob@far.test']))[0]!, /^250 /, 'nobody has logged in')
      assert.match((await rcpt(server, ['eve@far.test']))[0]!, /^550 /)
      assert.match((await rcpt(server, ['eve@far.test'], ''))[0]!, /^250 /, 'a bounce')
      await world.send(server, 1, { account: 'bob@example.org' })
      await assert.rejects(world.send(server, 1, { account: 'ann@example.com' }), /550 5\.1\.1 .*--tenant example\.com/)
    })

    it('drops whom it is told to drop: others get the message, and one that is left with nobody is gone', async () => {
      const far = await world.domain('far.test')
      const server = await start(section('enforce', 'drop'))
      await add(server, 'bob@far.test', '--reason', 'complaint')
      const [id] = await world.send(server, 1, { to: ['bob@far.test', 'eve@far.test'] })
      await far.until('the other', () => far.messages.length === 1)
      await world.send(server, 1, { to: ['bob@far.test'] })
      await server.waitForLog(/action=drop rule=suppressed mode=enforce stage=rcpt_ok/)
      await server.waitForLog(
        /action=discard rule=suppressed mode=enforce stage=queue .*count=1 recipients="bob@far\.test"/,
      )
      await world.emptied(server)
      assert.deepEqual(
        far.messages.map(({ id: of, recipients }) => [of, recipients]),
        [[id, ['eve@far.test']]],
      )
      assert.equal(near.messages.length, 0)
    })

    it('only says in shadow what it would do', async () => {
      const far = await world.domain('far.test')
      const server = await start('')
      await add(server, 'bob@far.test', '--reason', 'complaint')
      await world.send(server, 1)
      await far.until('it', () => far.messages.length === 1)
      await server.waitForLog(/action=accept rule=suppressed mode=shadow stage=rcpt_ok/)
      await server.waitForLog(/action=accept rule=suppressed mode=shadow stage=delivery .*recipients="bob@far\.test"/)
    })

    it('keeps mail that waits from who was added since, tells its sender, and delivers it to the others', async () => {
      let isClosed = true
      const host = await world.domain('far.test', {
        misdeed: (verb): Misdeed => (verb === 'MAIL' && isClosed ? '451 4.3.0 later' : undefined),
      })
      const server = await start(section('enforce'))
      const [mixed, alone] = [
        ...(await world.send(server, 1, { to: ['bob@far.test', 'ann@far.test', 'eve@far.test', 'joe@far.test'] })),
        ...(await world.send(server, 1, { to: ['bob@far.test'] })),
      ]
      await server.waitForLog(/delivery=deferred/)
      const list = path.join(server.dir, 'list.csv')
      // Both at once: one of them alone would have a report of his own.
      writeFileSync(list, 'email,reason,detail\nbob@far.test,complaint,abuse report\neve@far.test,hard_bounce,\n')
      assert.match((await suppress(server, 'import', list)).said, /added 2 addresses/)
      await near.until('both reports', () => near.messages.length === 2, 30_000)
      isClosed = false
      await host.until('it', () => host.messages.length === 1, 30_000)
      await world.emptied(server)
      assert.deepEqual(taken(host), [mixed])
      assert.deepEqual(host.messages[0]!.recipients, ['ann@far.test', 'joe@far.test'])
      const reports = near.messages.map(({ text }) => text.replace(/\r?\n /g, ' '))
      const ofMixed = reports.find((text) => text.includes(mixed!)) ?? assert.fail()
      const ofAlone = reports.find((text) => text.includes(alone!)) ?? assert.fail()
      assert.deepEqual(
        [...ofMixed.matchAll(/^(?:Final-Recipient|Status): (.*?)\r?$/gm)].map(([, said]) => said),
        ['rfc822; bob@far.test', '5.7.1', 'rfc822; eve@far.test', '5.1.1'],
      )
      assert.match(ofMixed, /^Diagnostic-Code: x-sluice; bob@far\.test is suppressed since .*abuse report/m)
      assert.match(ofAlone, /^Status: 5\.7\.1\r?$/m)
      await server.waitForLog(/delivery=bounced .*bounced=2 .*enhanced=5\.7\.1 reason="bob@far\.test is suppressed/)
    })

    it('is not looked at where the plugin is not listed', async () => {
      const far = await world.domain('far.test')
      const server = await start(section('enforce'), [])
      await add(server, 'bob@far.test')
      await world.send(server, 1)
      await far.until('it', () => far.messages.length === 1)
    })

    if (kind === 'redis')
      it('keeps nobody waiting while its store is away', async () => {
        const far = await world.domain('far.test')
        const redis = await world.redis()
        store = `store: '${redis.url}'\n`
        const server = await start(section('enforce'))
        await add(server, 'bob@far.test')
        redis.pause()
        try {
          await world.send(server, 1)
          await far.until('it', () => far.messages.length === 1, 20_000)
        } finally {
          redis.resume()
        }
      })

    it('is there after a restart', async () => {
      const server = await start(section('enforce'))
      await add(server, 'bob@far.test', '--reason', 'hard_bounce')
      await server.stop()
      const again = await start(section('enforce'), PLUGINS, server.dir)
      assert.match((await rcpt(again, ['bob@far.test']))[0]!, /^550 5\.1\.1 /)
    })
  })
}

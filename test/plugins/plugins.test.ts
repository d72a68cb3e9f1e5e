import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const CONT = 900
const DENYSOFT = 903
const DENY = 902
const OK = 906
const DENYSOFTDISCONNECT = 909

/** What we use of haraka-test-fixtures, which ships no types. */
interface Called {
  readonly rc: number | undefined
  readonly msg: { readonly code: number; readonly reply: string } | string | undefined
}
type Plugin = { readonly hooks: Record<string, readonly string[]>; shutdown(): void } & Record<string, unknown>
interface Transaction {
  rcpt_to: { user: string; host: string }[]
  mail_from: unknown
  message_stream: { add_line(line: string): void; add_line_end(): void }
}
type Connection = {
  transaction: Transaction
  notes: Record<string, unknown>
  relaying: boolean
  local: { host: string; info: string }
}
interface Fixtures {
  makePlugin(name: string): Plugin
  makeConnection(options: object): Connection
  callHook(plugin: Plugin, method: string, connection: Connection, ...args: unknown[]): Promise<Called>
}

const POLICY = `mode: enforce
store: memory
trusted: ['192.0.2.200']
http: {listen: false}
session: {recipients: 3}
limits:
  connection_rate: {limit: 3/min, tiers: false}
  sender: {limit: 2/min}
  account_hourly: {count: messages, per: account, limit: 1/h}
  gone: {count: messages, per: helo, limit: 1/h, mode: off}
feedback: {bounces: [bounces@local.test], complaints: [fbl@local.test]}
`

describe('plugins, with haraka-test-fixtures', () => {
  let home: string
  let fixtures: Fixtures
  let connections: Plugin
  let messages: Plugin
  let hardening: Plugin
  let feedback: Plugin
  const before_ = process.env.HARAKA

  before(() => {
    home = mkdtempSync(path.join(os.tmpdir(), 'sluice-fixtures-'))
    mkdirSync(path.join(home, 'config'))
    writeFileSync(path.join(home, 'config/sluice.yaml'), POLICY)
    mkdirSync(path.join(home, 'config/sluice'))
    writeFileSync(path.join(home, 'config/sluice/large-senders.map'), '')
    process.env.HARAKA = home
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- it reads the environment when it is loaded
    fixtures = require('haraka-test-fixtures') as Fixtures
    connections = fixtures.makePlugin('connections')
    messages = fixtures.makePlugin('messages')
    hardening = fixtures.makePlugin('hardening')
    feedback = fixtures.makePlugin('feedback')
  })
  after(() => {
    connections.shutdown()
    if (before_ === undefined) delete process.env.HARAKA
    else process.env.HARAKA = before_
    rmSync(home, { recursive: true, force: true })
  })

  function connect(ip: string, mailFrom?: string): Connection {
    return fixtures.makeConnection({ ip, helo: 'client.test', withTxn: true, mailFrom, silent: true })
  }

  it('export nothing that would overwrite a member of the Plugin object', () => {
    for (const name of ['connections', 'messages', 'hardening', 'greylist', 'dnsbl', 'rdns', 'maildrop', 'feedback']) {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- as Haraka does
      const exported = Object.keys(require(`../../dist/plugins/${name}/index.js`) as object)
      for (const key of exported) assert.match(key, /^(register|shutdown|hook_\w+)$/, name)
    }
  })

  it('connections: refuses over the rate with 421, and only that client', async () => {
    const answers: Called[] = []
    for (let count = 0; count < 4; count++) {
      answers.push(await fixtures.callHook(connections, 'hook_lookup_rdns', connect('192.0.2.1')))
    }
    assert.deepEqual(
      answers.slice(0, 3).map(({ rc }) => rc ?? CONT),
      [CONT, CONT, CONT],
    )
    const last = answers[3]!
    assert.equal(last.rc, DENYSOFTDISCONNECT)
    assert.ok(typeof last.msg === 'object' && last.msg.code === 421)
    assert.equal(last.msg.constructor.name, 'DSN', 'or Haraka would not see the code')
    const other = await fixtures.callHook(connections, 'hook_lookup_rdns', connect('192.0.2.2'))
    assert.equal(other.rc ?? CONT, CONT)
  })

  it('messages: answers for its own gates when connections was asked first', async () => {
    const answers: [number, number][] = []
    for (let count = 0; count < 3; count++) {
      const session = connect('198.51.100.1', '<a@example.com>')
      const first = await fixtures.callHook(connections, 'hook_mail', session)
      const second = await fixtures.callHook(messages, 'hook_mail', session)
      answers.push([first.rc ?? CONT, second.rc ?? CONT])
    }
    assert.deepEqual(
      answers,
      [
        [CONT, CONT],
        [CONT, CONT],
        [CONT, DENYSOFT],
      ],
      'one batch each, counted once',
    )
  })

  it('messages: knows the account and its rules', async () => {
    const codes: number[] = []
    for (const account of ['one@example.com', 'One@Example.com', 'two@example.com']) {
      const session = connect('198.51.100.77', `<x${codes.length}@example.net>`)
      session.notes.auth_user = account
      codes.push((await fixtures.callHook(messages, 'hook_mail', session)).rc ?? CONT)
    }
    assert.deepEqual(codes, [CONT, DENYSOFT, CONT])
  })

  it('connections: bounds recipients of a session', async () => {
    const session = connect('198.51.100.9', '<b@example.com>')
    const codes: number[] = []
    for (let count = 0; count < 4; count++) {
      const recipient = { user: `u${count}`, host: 'local.test' }
      codes.push((await fixtures.callHook(connections, 'hook_rcpt', session, [recipient, {}])).rc ?? CONT)
      await fixtures.callHook(messages, 'hook_rcpt', session, [recipient, {}])
    }
    assert.deepEqual(codes, [CONT, CONT, CONT, DENYSOFT])
  })

  it('leaves trusted clients alone', async () => {
    for (let count = 0; count < 5; count++) {
      const { rc } = await fixtures.callHook(connections, 'hook_lookup_rdns', connect('192.0.2.200'))
      assert.equal(rc ?? CONT, CONT)
    }
  })

  it('hardening: refuses VRFY with OK and 502, and EXPN with DENY and 502', async () => {
    const session = connect('198.51.100.10')
    const vrfy = await fixtures.callHook(hardening, 'hook_vrfy', session)
    assert.equal(vrfy.rc, OK)
    assert.ok(typeof vrfy.msg === 'object' && vrfy.msg.code === 502)
    const expn = await fixtures.callHook(hardening, 'hook_unrecognized_command', session, ['EXPN', 'x'])
    assert.equal(expn.rc, DENY)
    const other = await fixtures.callHook(hardening, 'hook_unrecognized_command', session, ['AUTH', 'x'])
    assert.equal(other.rc ?? CONT, CONT)
  })

  describe('feedback', () => {
    const ask = async (hook: string, user: string, host = 'local.test') => {
      const recipient = { user, host }
      const params = hook === 'accept_report' ? [recipient, {}] : recipient
      return (await fixtures.callHook(feedback, hook, connect('198.51.100.20', '<>'), params)).rc ?? CONT
    }

    /** What becomes of a message to these. */
    async function queue(text: string, ...users: readonly string[]): Promise<[number, string[]]> {
      const session = connect('198.51.100.20', '<>')
      const { transaction } = session
      transaction.rcpt_to = users.map((user) => ({ user, host: 'local.test' }))
      for (const line of text.split('\n')) transaction.message_stream.add_line(`${line}\r\n`)
      transaction.message_stream.add_line_end()
      const { rc } = await fixtures.callHook(feedback, 'read_report', session)
      return [rc ?? CONT, transaction.rcpt_to.map(({ user }) => user)]
    }

    it('takes mail to its addresses, whatever their case and extension, and asks nobody else about it', async () => {
      for (const hook of ['accept_report', 'spare_report']) {
        for (const user of ['bounces', 'Bounces', 'bounces+2026=x', 'fbl'])
          assert.equal(await ask(hook, user), OK, user)
        for (const user of ['bounce', 'bounces-x', 'b+bounces', '+bounces'])
          assert.equal(await ask(hook, user), CONT, user)
        assert.equal(await ask(hook, 'bounces', 'other.test'), CONT)
      }
    })

    it('reads what comes to them, and leaves the rest to others', async () => {
      assert.deepEqual(await queue('Auto-Submitted: auto-replied\n\naway', 'bounces'), [OK, []])
      assert.deepEqual(await queue('Auto-Submitted: auto-replied\n\naway', 'you', 'bounces', 'me'), [
        CONT,
        ['you', 'me'],
      ])
      assert.deepEqual(await queue('Subject: hello\n\nyou', 'you'), [CONT, ['you']])
    })

    it('keeps what is no report, and what it cannot read', async () => {
      assert.deepEqual(await queue('Subject: hello\n\nwho are you?', 'bounces'), [OK, []])
      assert.deepEqual(await queue(`X-Long: ${'x'.repeat(600_000)}\n\n`, 'fbl'), [OK, []])
      const kept = readdirSync(path.join(home, 'data/reports')).map((name) =>
        readFileSync(path.join(home, 'data/reports', name), 'utf8'),
      )
      assert.equal(kept.length, 2)
      assert.ok(kept.includes('Subject: hello\n\nwho are you?\n'), kept[0])
    })

    it('has it come again where it can be kept nowhere', async () => {
      rmSync(path.join(home, 'data/reports'), { recursive: true })
      writeFileSync(path.join(home, 'data/reports'), '')
      const [rc] = await queue('Subject: hello\n\nwho are you?', 'bounces')
      rmSync(path.join(home, 'data/reports'))
      assert.equal(rc, DENYSOFT)
    })
  })
})

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
type Connection = { notes: Record<string, unknown>; relaying: boolean; local: { host: string; info: string } }
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
`

describe('plugins, with haraka-test-fixtures', () => {
  let home: string
  let fixtures: Fixtures
  let connections: Plugin
  let messages: Plugin
  let hardening: Plugin
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
    for (const name of ['connections', 'messages', 'hardening', 'greylist', 'dnsbl', 'rdns', 'maildrop']) {
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
})

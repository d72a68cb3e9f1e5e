import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { HarakaServer } from '../support/haraka'
import { eventually } from '../support/mail-ledger'
import { MailWorld, taken } from '../support/mail-world'

const SLOW = 'egress|default|slow'
const PROVIDERS = `default: {message_rate: 1000/s, retry: {first: 1h, factor: 1, longest: 1h, jitter: 0%}}
providers: {slow: {match: {mx_suffix: [slow.test]}, message_rate: 60/min}}
`
const LMDB = 'store: lmdb:data/sluice\n'

const BIN = path.resolve(__dirname, '../../bin/sluice.js')

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

describe('seeing and steering, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  /** In a process of its own: several may run at a time. */
  const sluice = (...args: string[]): Promise<Ran> =>
    new Promise((resolve) => {
      const child = execFile(process.execPath, [BIN, ...args], (_error, stdout, stderr) =>
        resolve({ code: child.exitCode, stdout, stderr }),
      )
    })
  const egress = ({ dir }: HarakaServer, ...args: string[]): Promise<Ran> => sluice('egress', ...args, '--dir', dir)

  interface Listed {
    readonly processes: readonly { readonly process: string; readonly putOff: number }[]
    readonly paths: readonly {
      readonly path: string
      readonly waiting: { readonly all: number }
      readonly hold: string
      readonly emptyInMs?: number
      readonly processes: readonly object[]
      readonly orders: readonly object[]
    }[]
  }

  /** Reports are refreshed every ten seconds. */
  async function listed(server: HarakaServer, isSo: (list: Listed) => boolean): Promise<Listed> {
    const look = async () => {
      const { stdout } = await egress(server, 'list', '--json')
      const list = JSON.parse(stdout) as Listed
      assert.ok(isSo(list), `never so: ${stdout}`)
      return list
    }
    return eventually(look, 25_000, 200)
  }
  const pathIn = ({ paths }: Listed, name = SLOW) => paths.find((one) => one.path === name)

  /** Each message is put off for an hour. */
  const busy = { misdeed: (verb: string) => (verb === 'RCPT' ? ('451 4.3.0 come back later' as const) : undefined) }
  const putOff = (server: HarakaServer) =>
    readdirSync(path.join(server.dir, 'queue')).filter((name) => Number(name.split('_')[1]) > Date.now() + 60_000)
  const allPutOff = (server: HarakaServer, count: number) =>
    eventually(() => assert.equal(putOff(server).length, count))

  it('shows what waits and what for, and bounces what waits', async () => {
    const slow = await world.domain('slow.test')
    const near = await world.domain('near.test')
    const server = await world.server({ providers: PROVIDERS, sluice: LMDB })
    await world.send(server, 30, { to: ['bob@slow.test'] })
    const list = await listed(server, (one) => (pathIn(one)?.waiting.all ?? 0) > 5)
    assert.equal(pathIn(list)!.hold, 'rate')
    assert.ok(Math.abs(pathIn(list)!.emptyInMs! - pathIn(list)!.waiting.all * 1000) < 1)
    await server.waitForGauge('sluice_egress_sessions{state="busy"}', 0)
    const { text } = await server.get('/metrics')
    assert.match(text, /^sluice_egress_waiting\{provider="slow",class="system"\} [1-9]/m)
    assert.match(text, /^sluice_egress_oldest_seconds\{provider="slow",class="system"\} [0-9.]+$/m)
    const shown = await egress(server, 'show', 'slow')
    assert.match(shown.stdout, /^held by +message rate$/m)
    assert.match(shown.stdout, /^message_rate +60 in 1 min +provider slow/m)

    await egress(server, 'suspend', 'slow', '--for', '1h')
    await listed(server, (one) => pathIn(one)?.hold === 'suspended' && pathIn(one)!.orders.length === 1)
    const queued = JSON.parse((await egress(server, 'queue', 'slow', '--json')).stdout) as {
      messages: { id: string; path: string }[]
    }
    assert.deepEqual([...new Set(queued.messages.map((message) => message.path))], [SLOW])
    const asked = await egress(server, 'bounce', 'slow', '--reason', 'a mistake')
    assert.equal(asked.code, 2)
    assert.match(asked.stderr, /that is \d+ messages: say --yes/)

    const [first] = queued.messages
    assert.equal((await egress(server, 'bounce', first!.id, '--reason', 'only this one')).code, 0)
    await near.until('a report', () => near.messages.length === 1)
    const left = world.queued(server).length
    const bounced = await egress(server, 'bounce', 'slow', '--reason', 'a mistake', '--yes')
    assert.match(bounced.stdout, new RegExp(`: ${left} bounced\n$`))
    await near.until('all reports', () => near.messages.length === left + 1)
    await world.emptied(server)
    assert.equal(slow.messages.length + near.messages.length, 30)
    const report = near.messages[1]!.text
    assert.match(report, /Status: 5\.7\.1/)
    assert.match(report, /has ended its delivery: a\r?\n? +mistake/)
    const again = await egress(server, 'bounce', 'slow', '--yes')
    assert.deepEqual([again.code, /nothing of egress\|default\|slow waits/.test(again.stderr)], [1, true])
  })

  it('tries now what is put off, also from before a restart, and each once', async () => {
    let isBusy = true
    const far = await world.domain('far.test', { misdeed: (verb) => (isBusy ? busy.misdeed(verb) : undefined) })
    const other = await world.domain('other.test', busy)
    const options = { providers: PROVIDERS, sluice: LMDB }
    const before = await world.server(options)
    await world.send(before, 5)
    await world.send(before, 2, { to: ['bob@other.test'] })
    await allPutOff(before, 7)
    await before.stop('SIGKILL')
    const server = await world.server({ ...options, dir: before.dir })
    await world.send(server, 5)
    await allPutOff(server, 12)
    await listed(server, ({ processes }) => processes.length === 1 || processes.some((one) => one.putOff === 12))
    const dry = await egress(server, 'flush', 'far.test', '--dry-run')
    assert.match(dry.stdout, /: 10 would be tried now\n/)
    assert.equal(far.messages.length, 0)

    isBusy = false
    const [one] = putOff(server)
    const flushed = await Promise.all([
      egress(server, 'flush', 'far.test'),
      egress(server, 'flush', 'far.test'),
      egress(server, 'flush', one!),
    ])
    const done = flushed.map(({ stdout }) => Number(/: (\d+) tried now/m.exec(stdout)?.[1]))
    assert.ok(
      done.every((count) => count >= 0),
      flushed.map(({ stdout, stderr }) => stdout + stderr).join(''),
    )
    await far.until('all', () => far.messages.length >= 10)
    await delay(500)
    assert.equal(far.messages.length, 10)
    assert.equal(new Set(taken(far)).size, 10)
    assert.equal(putOff(server).length, 2)
    assert.equal(other.messages.length, 0)

    const bounced = await egress(server, 'bounce', 'egress|default|mx.other.test', '--yes', '--reason', 'gone')
    assert.match(bounced.stdout, /: 2 bounced\n/)
  })

  it('leaves alone what is under way', async () => {
    const far = await world.domain('far.test', { replyMs: 700 })
    const server = await world.server({ providers: PROVIDERS, sluice: LMDB })
    await world.send(server, 1)
    await far.until('its beginning', () => far.commands.some((command) => command.startsWith('RCPT')))
    const { code, stdout, stderr } = await egress(server, 'bounce', 'far.test', '--yes')
    assert.equal(code, 1)
    assert.match(stdout, /: 0 bounced; 1 left alone: they are being delivered\n/)
    assert.match(stderr, /1 of far\.test are being delivered/)
    await far.until('it', () => far.messages.length === 1)
    await world.emptied(server)
    assert.equal(far.messages.length, 1)
  })

  it('has every server of a store act, and tells of all', async () => {
    const redis = await world.redis()
    let isBusy = true
    const far = await world.domain('far.test', { misdeed: (verb) => (isBusy ? busy.misdeed(verb) : undefined) })
    const both = { providers: PROVIDERS, sluice: `store: ${redis.url}\n` }
    const servers = [await world.server(both), await world.server(both)] as const
    const [one, two] = servers
    await world.domain('slow.test')
    for (const server of servers) await world.send(server, 12, { to: ['bob@slow.test'] })
    for (const server of servers) await world.send(server, 4)
    for (const server of servers) await allPutOff(server, 4)
    const list = await listed(one, (of) => pathIn(of)?.processes.length === 2)
    assert.equal(list.processes.length, 2)
    isBusy = false
    const flushed = await egress(two, 'flush', 'egress|default|mx.far.test')
    assert.equal(flushed.stdout.match(/: 4 tried now$/gm)?.length, 2, flushed.stdout + flushed.stderr)
    await far.until('all', () => far.messages.length === 8)
    assert.equal(new Set(taken(far)).size, 8)
    await two.stop('SIGKILL')
    const half = await egress(one, 'flush', 'slow')
    assert.equal(half.code, 1)
    assert.match(half.stderr, /No answer from .*: it may have ended/)
  })

  it('tells of files that cannot be read, and when a message goes', async () => {
    await world.domain('far.test', busy)
    const server = await world.server({ providers: PROVIDERS, sluice: LMDB })
    await world.send(server, 1)
    await allPutOff(server, 1)
    const [file] = putOff(server)
    writeFileSync(path.join(server.dir, 'queue', file!.replace(/_[A-Za-z0-9]{6}_/, '_empty1_')), '')
    const queue = await egress(server, 'queue')
    assert.match(queue.stdout, /451 4\.3\.0 come back later\n$/)
    assert.match(queue.stderr, /empty1.*: empty\. remove it/)
    const { stdout } = await sluice('why', file!, '--dir', server.dir)
    assert.match(stdout, /put off/)
  })
})

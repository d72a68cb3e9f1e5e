import assert from 'node:assert/strict'
import { eventually } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import type { SmtpSink } from '../support/smtp-sink'
import { sluice } from '../unit/cli/command'

/** A zone in which it is about noon: no test meets the end of a day. */
const ZONE = (() => {
  const hours = 12 - new Date().getUTCHours()
  // Signs of these names are the other way round.
  return `Etc/GMT${hours > 0 ? `-${hours}` : `+${-hours}`}`
})()
const FAR = 'providers: {far: {match: {mx_suffix: [far.test]}, message_rate: 1000/s}}\n'
const QUICK = `default: {message_rate: 1000/s, retry: {first: 1s, factor: 1, longest: 1s, jitter: 0%}}\n${FAR}`

const HOUR = 3_600_000

describe('warm-up, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld
  let far: SmtpSink

  beforeEach(async () => {
    world = await MailWorld.start()
    far = await world.domain('far.test')
  })
  afterEach(() => world.end())

  const config = (store: string, { start = 5, sources = '', pool = 'fresh', more = '' } = {}) => `store: ${store}
egress:
  sources: {fresh: {bind: 127.0.0.11, warmup: {start: ${start}}}${sources}}
  pool: ${pool}
${more}  warmup: {time_zone: ${ZONE}, spread: false}
`
  const by = (address: string) => far.messages.filter(({ client }) => client === address)

  /** What the command prints as JSON. */
  async function told<T>(dir: string, ...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await sluice(...args, '--json', '--dir', dir)
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as T
  }
  interface Path {
    readonly hold: string
    readonly waiting: { readonly all: number }
    readonly emptyInMs: number
  }
  interface Status {
    readonly quota: number
    readonly today: { readonly sent: number; readonly delivered: number; readonly bounced: number }
  }
  const status = async (dir: string) => (await told<Status[]>(dir, 'warmup', 'status'))[0]!
  /** Until processes have told what waits, and the warm-up holds it. */
  const waiting = (dir: string, count: number) =>
    eventually(async () => {
      const { paths } = await told<{ paths: Path[] }>(dir, 'egress', 'list')
      const all = paths.map(({ hold, waiting }) => `${hold} ${waiting.all}`)
      assert.deepEqual(all, [`warmup ${count}`])
      return paths[0]!
    }, 25_000)

  it('lets two hosts on one Redis send a day of it together and no more; the rest waits, and it is said until when', async () => {
    const redis = await world.redis()
    const options = { providers: QUICK, sluice: config(redis.url, { start: 25 }) }
    const [one, two] = [await world.server(options), await world.server(options)]
    await Promise.all([world.send(one, 40), world.send(two, 40)])
    await far.until('the quota', () => far.messages.length === 25, 20_000)
    // 32 on the second day, the rest on the third: without a spread, as soon as that begins.
    const { emptyInMs } = await waiting(one.dir, 55)
    assert.ok(emptyInMs > 24 * HOUR && emptyInMs < 48 * HOUR, `${emptyInMs / HOUR} h`)
    const { messages } = await told<{ messages: { hold: string; emptyInMs: number }[] }>(one.dir, 'egress', 'queue')
    assert.ok(messages.length > 0)
    for (const { hold, emptyInMs } of messages) assert.ok(hold === 'warmup' && emptyInMs > 24 * HOUR)
    const { stdout } = await sluice('egress', 'queue', '--dir', one.dir)
    assert.match(stdout, /warm-up, at most 1\.\d d .* egress\|fresh\|far /)
    assert.deepEqual([far.messages.length, (await status(two.dir)).today.sent], [25, 25])
  })

  it('goes on where it was after a restart, and heeds set, pause and resume', async () => {
    let server = await world.server({ providers: QUICK, sluice: config('lmdb:data/sluice'), graceful: true })
    await world.send(server, 20)
    await far.until('the quota', () => far.messages.length === 5)
    await waiting(server.dir, 15)
    const { dir } = server
    await server.stop()
    server = await world.server({ providers: QUICK, sluice: config('lmdb:data/sluice'), dir, graceful: true })
    // It has tried them, and found nothing left of the day.
    await eventually(async () => {
      const { paths } = await told<{ paths: { processes: { waiting: object; hold: string }[] }[] }>(
        dir,
        'egress',
        'list',
      )
      assert.ok(paths[0]!.processes.length === 2 && paths[0]!.processes.every(({ hold }) => hold === 'warmup'))
    }, 25_000)
    assert.deepEqual([far.messages.length, world.queued(server).length], [5, 15])

    const set = await sluice('warmup', 'set', 'fresh', '--group', 'far', '--quota', '12', '--dir', dir)
    assert.equal(set.stdout, 'fresh/far is at 12 recipients a day\n', set.stderr)
    await far.until('the new quota', () => far.messages.length === 12)
    await eventually(() => assert.equal(world.queued(server).length, 8))
    await eventually(async () => {
      const { today, quota } = await status(dir)
      assert.deepEqual([quota, today.sent, today.delivered, today.bounced], [12, 12, 12, 0])
    })
    const pause = await sluice('warmup', 'pause', 'fresh', '--dir', dir)
    assert.equal(pause.stdout, 'fresh/far is at 12 recipients a day, paused\n', pause.stderr)
    const curve = await sluice('warmup', 'status', 'fresh', '--dir', dir)
    assert.match(curve.stdout, /fresh\/far +\d{4}-\d\d-\d\d +\d+ of \d+ +12 of 12 +12 +0 +0 +0 +- +paused/)
    assert.match(curve.stdout, /#/)
    const resume = await sluice('warmup', 'resume', 'fresh', '--dir', dir)
    assert.equal(resume.stdout, 'fresh/far is at 12 recipients a day\n', resume.stderr)
    assert.equal(far.messages.length, 12)
    const warm = await sluice('warmup', 'set', 'fresh', '--quota', '100000', '--dir', dir)
    assert.equal(warm.code, 0, warm.stderr)
    await world.settled(far)
  })

  it('counts recipients, parts what has too many, and gives back what no host has seen', async () => {
    const server = await world.server({ providers: QUICK, sluice: config('lmdb:data/sluice', { start: 6 }) })
    world.mx('dead.test', 'mx.dead.test', '127.0.0.1')
    await world.send(server, 3, { to: ['a@dead.test', 'b@dead.test'] })
    await server.waitForLog(/domain=dead\.test/)
    const to = Array.from({ length: 9 }, (_, index) => `user${index}@far.test`)
    await world.send(server, 1, { to })
    const recipients = () => far.messages.reduce((sum, { recipients }) => sum + recipients.length, 0)
    await far.until('the quota', () => recipients() >= 6)
    await eventually(async () => {
      const all = await told<(Status & { group: string })[]>(server.dir, 'warmup', 'status')
      assert.deepEqual(all.map(({ group, today }) => `${group} ${today.sent}`).sort(), ['far 6', 'other 0'])
    })
    assert.equal(recipients(), 6)
  })

  it('lets a new tenant send a day of it, and keeps nobody else waiting', async () => {
    const server = await world.server({
      providers: QUICK,
      sluice: `store: lmdb:data/sluice
tenants: {example.com: acme, example.org: other}
egress:
  warmup: {time_zone: ${ZONE}, new_tenants: {mode: enforce, start: 3, until: 50}}
`,
    })
    const acme = await world.send(server, 8, { account: 'ann@example.com' })
    const plain = await world.send(server, 5)
    await far.until('those of nobody', () => plain.every((id) => far.messages.some((message) => message.id === id)))
    await server.waitForLog(/Its sender is new here and has sent what it may for today/)
    const ofAcme = () => far.messages.filter(({ id }) => acme.includes(id)).length
    await eventually(() => assert.equal(ofAcme(), 3))
    const all = await told<(Status & { tenant: string })[]>(server.dir, 'warmup', 'status')
    assert.deepEqual(
      all.map(({ tenant, today }) => `${tenant} ${today.sent}`),
      ['acme 3'],
    )
    const set = await sluice('warmup', 'set', 'tenant:acme', '--quota', '20', '--dir', server.dir)
    assert.equal(set.stdout, 'tenant:acme is at 20 recipients a day\n', set.stderr)
    const flush = await sluice('egress', 'flush', 'far.test', '--dir', server.dir)
    assert.equal(flush.code, 0, flush.stderr)
    await world.settled(far)
  })

  it('lets what is beyond go by a warm source of the pool', async () => {
    const pool = { pool: 'both', more: '  pools: {both: {sources: [fresh, warm]}}\n' }
    const sluiceYaml = config('lmdb:data/sluice', { ...pool, sources: ', warm: {bind: 127.0.0.12}' })
    const server = await world.server({ providers: QUICK, sluice: sluiceYaml })
    await world.send(server, 60)
    await world.settled(far)
    assert.equal(by('127.0.0.11').length, 5)
    assert.equal(by('127.0.0.12').length, 55)
  })
})

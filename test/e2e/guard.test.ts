import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { HarakaServer } from '../support/haraka'
import { eventually } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import { SmtpClient, type SmtpReply } from '../support/smtp-client'
import type { SmtpSink } from '../support/smtp-sink'
import { WebhookSink, isSigned } from '../support/webhook-sink'
import { sluice } from '../unit/cli/command'

const SHOP = 'shop@example.com'

interface Held {
  readonly id: string
  readonly path: string
  readonly kind: string
  readonly origin: string
  readonly mode: string
  readonly evidence: string
  readonly waiting: number
}

describe('a sender whose mail bounces, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld
  let webhook: WebhookSink
  let far: SmtpSink
  let late: SmtpSink
  /** Where reports to the sender go, and what the postmaster is told. */
  let near: SmtpSink
  /** Where the account gets its own mail. */
  let owner: SmtpSink
  let isLate: boolean

  beforeEach(async () => {
    world = await MailWorld.start()
    webhook = await WebhookSink.start()
    isLate = true
    far = await world.domain('far.test', {
      misdeed: (verb, { recipient }) =>
        verb === 'RCPT' && recipient.startsWith('gone') ? '550 5.1.1 No such user here' : undefined,
    })
    late = await world.domain('late.test', {
      misdeed: (verb) => (verb === 'RCPT' && isLate ? '451 4.7.1 Greylisted, try again later' : undefined),
    })
    near = await world.domain('near.test')
    owner = await world.domain('example.com')
  })
  afterEach(async () => {
    await world.end()
    await webhook.stop()
  })

  const serverWith = (mode: string, store = 'lmdb:data/sluice') =>
    world.server({
      plugins: ['sluice/plugins/senders'],
      sluice:
        `store: ${store}\n` +
        `automation:\n  mode: ${mode}\n  postmaster: postmaster@near.test\n` +
        `  webhook: {url: '${webhook.url}', secret_file: data/webhook-secret}\n` +
        '  guard: {least: 20, hard: {slow: 10%, pause: 40%}, soft: {slow: 50%, pause: 60%}, rate: 500/h}\n',
    })

  async function review(server: HarakaServer, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await sluice('review', ...args, '--dir', server.dir)
    assert.equal(code, 0, stderr)
    return stdout + stderr
  }
  const held = async (server: HarakaServer) => JSON.parse(await review(server, 'list', '--json')) as Held[]
  const heldOf = (server: HarakaServer, kind: string) =>
    eventually(
      async () => {
        const found = (await held(server)).find((one) => one.kind === kind)
        assert.ok(found, `nobody is held by ${kind}`)
        return found
      },
      15_000,
      200,
    )

  const to = (user: string, count: number) => Array.from({ length: count }, (_, at) => `${user}${at}@far.test`)
  const write = (server: HarakaServer, recipients: readonly string[]) =>
    world.send(server, 1, { account: SHOP, to: recipients })

  /** What the account gets to MAIL FROM. */
  async function begin(server: HarakaServer): Promise<SmtpReply> {
    const client = await SmtpClient.greet(server.port)
    const login = Buffer.from(`\0${SHOP}\0secret`).toString('base64')
    assert.equal((await client.say(`AUTH PLAIN ${login}`)).code, 235)
    const reply = await client.say('MAIL FROM:<ann@near.test>')
    await client.quit()
    return reply
  }

  const told = (sink: SmtpSink, subject: RegExp) => sink.messages.filter(({ text }) => subject.test(text))

  for (const kind of ['lmdb', 'redis']) {
    it(`is slowed down, paused, told of, and let go: ${kind}`, async () => {
      const redis = kind === 'redis' ? await world.redis() : undefined
      const first = await serverWith('enforce', redis?.url)
      const second = redis ? await serverWith('enforce', redis.url) : first
      await world.send(first, 1, { account: SHOP, to: ['bob@late.test'] })
      await write(first, to('bob', 12))
      await write(second, to('eve', 8))
      await write(second, to('gone', 2))
      await write(first, to('gone-too', 2))
      const slow = await heldOf(first, 'rate')
      assert.deepEqual([slow.path, slow.origin, slow.mode], [`sender|account|${SHOP}`, 'guard', 'enforce'])
      assert.match(
        slow.evidence,
        /^\d of 2\d recipients bounced \(1\d(\.\d)? %\) in 24 h, most: 550 5\.1\.1 No such user/,
      )
      assert.equal((await begin(second)).code, 250)

      // Two steps are never closer.
      await delay(2000)
      await write(second, to('gone', 20))
      await write(first, to('gone-again', 20))
      const paused = await heldOf(second, 'suspend')
      assert.equal(paused.path, `sender|account|${SHOP}`)
      for (const server of new Set([first, second])) {
        const refused = await eventually(async () => {
          const reply = await begin(server)
          assert.equal(reply.code, 450)
          return reply
        })
        assert.match(refused.text, /^450 4\.7\.1 Sending is paused here until somebody has looked at it/)
      }
      await eventually(() => {
        assert.equal(webhook.calls.length, 2)
        for (const sink of [owner, near]) {
          assert.equal(told(sink, /Subject: Sending is slowed down for account shop@example\.com/).length, 1)
          assert.equal(told(sink, /Subject: Sending is paused for account shop@example\.com/).length, 1)
        }
      }, 15_000)
      const secrets = [...new Set([first, second])].map((server) => {
        try {
          return server.read('data/webhook-secret').trim()
        } catch {
          return ''
        }
      })
      for (const call of webhook.calls)
        assert.ok(
          secrets.some((secret) => isSigned(call, secret)),
          call.body,
        )
      const events = webhook.calls.map(
        ({ body }) => JSON.parse(body) as { event: string; sender: object; action: string },
      )
      assert.deepEqual(
        events.map(({ event, sender, action }) => [event, sender, action]),
        [
          ['slow', { kind: 'account', name: SHOP }, slow.id],
          ['pause', { kind: 'account', name: SHOP }, paused.id],
        ],
      )
      assert.match(told(owner, /is paused/)[0]!.text, new RegExp(`^  sluice review release ${paused.id}\\r?$`, 'm'))
      const metrics = (await Promise.all([...new Set([first, second])].map((server) => server.get('/metrics'))))
        .map(({ text }) => text)
        .join('')
      assert.match(metrics, /^sluice_sender_steps_total\{step="pause",of="account",fault="hard",mode="enforce"\} 1$/m)

      // Nothing else of the account goes, and nobody else is held.
      isLate = false
      await delay(2500)
      assert.equal(late.messages.length, 0)
      assert.deepEqual(
        (await held(first)).map(({ path, waiting }) => [path, waiting]),
        [
          [slow.path, 1],
          [slow.path, 1],
        ],
      )
      await world.send(first, 1, { account: 'ann@example.com', to: ['bob@far.test'] })

      assert.match(
        await review(first, 'release', SHOP, '--dry-run'),
        /would release account shop@example\.com: no mail/,
      )
      assert.match(await review(first, 'release', paused.id), /What was counted is forgotten/)
      await eventually(async () => assert.equal((await begin(second)).code, 250))
      await late.until('the mail that waited', () => late.messages.length === 1, 20_000)
      await write(first, to('gone', 4))
      await write(second, to('bob', 5))
      await delay(2500)
      assert.deepEqual(await held(first), [])
    })
  }

  it('goes on in shadow, which shows what would be done', async () => {
    const server = await serverWith('shadow')
    await write(server, to('bob', 12))
    await write(server, to('gone', 20))
    const paused = await heldOf(server, 'suspend')
    assert.deepEqual([paused.path, paused.mode], [`sender|account|${SHOP}`, 'shadow'])
    await server.waitForLog(/action=order order=\w+ origin=guard mode=shadow .*why="20 of 32 recipients bounced/)
    assert.equal((await begin(server)).code, 250)
    await write(server, to('bob', 3))
    await far.until('what is sent after it', () => far.messages.length >= 2)
    assert.deepEqual([webhook.calls, told(owner, /Sending/), told(near, /Sending/)], [[], [], []])
  })

  it('is paused by hand, and let go', async () => {
    const server = await serverWith('shadow')
    await review(server, 'pause', SHOP, '--reason', 'a stolen password')
    await eventually(async () => assert.equal((await begin(server)).code, 450))
    assert.match(
      await review(server, 'list'),
      /account shop@example\.com +no mail .* operator +enforce +0 +a stolen password/,
    )
    await review(server, 'release', `account:${SHOP}`)
    await eventually(async () => assert.equal((await begin(server)).code, 250))
    const { code, stderr } = await sluice('review', 'release', SHOP, '--dir', server.dir)
    assert.deepEqual([code, /neither slowed down nor paused/.test(stderr)], [1, true])
  })
})

describe('an own address on a DNS list, end to end', function () {
  this.timeout(60_000)
  let world: MailWorld
  let webhook: WebhookSink

  beforeEach(async () => {
    world = await MailWorld.start()
    webhook = await WebhookSink.start()
  })
  afterEach(async () => {
    await world.end()
    await webhook.stop()
  })

  it('is told, and its source rests while another one stands in, until it is off the list', async () => {
    let isListed = true
    world.dns.serve('bl.test', ({ front }) => {
      const isOn = front === '2.0.0.127' || (front === '10.2.0.192' && isListed)
      return isOn ? { answers: [{ type: 'A', name: `${front}.bl.test`, ttl: 300, data: '127.0.0.2' }] } : { rcode: 3 }
    })
    const far = await world.domain('far.test')
    const near = await world.domain('near.test')
    const server = await world.server({
      plugins: ['sluice/plugins/senders'],
      sluice:
        'store: lmdb:data/sluice\n' +
        'egress:\n  sources: {one: {bind: 127.0.0.11, helo: one.near.test}, two: {bind: 127.0.0.12, helo: two.near.test}}\n' +
        '  pools: {both: {sources: [one, two]}}\n  pool: both\n' +
        'automation:\n  mode: enforce\n  postmaster: postmaster@near.test\n' +
        `  webhook: {url: '${webhook.url}', secret_file: data/webhook-secret}\n` +
        '  own_addresses: {every: 10s, lists: [{zone: bl.test}], addresses: {one: [192.0.2.10], two: [192.0.2.20]}}\n',
    })
    await server.waitForLog(/own address listed: 192\.0\.2\.10 \(source one\) is on bl\.test; the source rests/)
    await server.waitForGauge('sluice_own_addresses_listed{list="bl.test"}', 1)
    const { stdout } = await sluice('egress', 'actions', '--dir', server.dir)
    assert.match(stdout, /egress\|one\|\* +no mail .* guard +enforce +192\.0\.2\.10 is on bl\.test \(127\.0\.0\.2\)/)
    const doctor = await sluice('doctor', server.dir, '--json')
    assert.match(doctor.stdout, /"192\.0\.2\.10 \(source one\) is on bl\.test \(127\.0\.0\.2\)"/)
    await world.send(server, 6)
    await far.until('all', () => far.messages.length === 6)
    assert.deepEqual([...new Set(far.messages.map(({ helo }) => helo))], ['two.near.test'])
    await near.until('what the postmaster is told', () => near.messages.length === 1)
    assert.match(near.messages[0]!.text, /Subject: 192\.0\.2\.10 is on block lists/)

    isListed = false
    await server.waitForLog(
      /own address off all lists: 192\.0\.2\.10 \(source one\); the source sends as usual/,
      25_000,
    )
    await world.send(server, 12)
    await far.until('all', () => far.messages.length === 18)
    assert.deepEqual([...new Set(far.messages.map(({ helo }) => helo))].sort(), ['one.near.test', 'two.near.test'])
    await eventually(() =>
      assert.deepEqual(
        webhook.calls.map(({ body }) => (JSON.parse(body) as { event: string }).event),
        ['listed', 'delisted'],
      ),
    )
  })
})

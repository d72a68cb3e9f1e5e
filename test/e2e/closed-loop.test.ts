import assert from 'node:assert/strict'
import type { HarakaServer } from '../support/haraka'
import { eventually } from '../support/mail-ledger'
import { MailWorld, taken } from '../support/mail-world'
import { sluice } from '../support/sluice'
import type { SmtpSink } from '../support/smtp-sink'

/** As Gmail, Microsoft and Yahoo say it. */
const ANGRY = {
  google:
    '450-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address.\r\n450 4.7.28 To protect our users',
  outlook: '451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.',
  yahoo: '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints',
} as const
type Provider = keyof typeof ANGRY

const PROVIDERS = `default: {message_rate: 1000/s, retry: {first: 1s, factor: 1, longest: 1s, jitter: 0%}}
providers:
  google: {match: {mx_suffix: [gmail.test]}, tls: opportunistic}
  outlook: {match: {mx_suffix: [hotmail.test]}}
  yahoo: {match: {mx_suffix: [yahoo.test]}}
`
/** As the shipped rules, but that all is over within a test. */
const SOON = `classes:
  reputation: [{do: blame, when: 3/h, for: 8s}]
responses:
  soon_google: {provider: google, enhanced: .7.28, class: rate, scope: source, then: [{do: blame, when: 3/h, for: 8s}], is: ['450 4.7.28 Unusual rate']}
  soon_yahoo: {provider: yahoo, says: [TSS04], class: reputation, scope: source, is: ['421 4.7.0 [TSS04] Messages deferred']}
`
const DOMAINS = { google: 'gmail.test', outlook: 'hotmail.test', yahoo: 'yahoo.test' } as const
const CONTROLLER =
  '{mode: enforce, window: 5s, throttles: 3, cooldown: 1s, recovery: {step: 50%, every: 1s}, keep: 10s}'
const SPAMMED = ['spam1', 'spam2', 'spam3', 'spam4']
const EVE = 'eve@example.net'

interface Action {
  readonly id: string
  readonly path: string
  readonly origin: string
  readonly evidence: string
}

describe('the closed loop, end to end', function () {
  this.timeout(120_000)
  let world: MailWorld

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  const actions = async ({ dir }: HarakaServer): Promise<Action[]> => {
    const { code, stdout, stderr } = await sluice('egress', 'actions', '--json', '--dir', dir)
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as Action[]
  }

  /** What an account's next message is answered at RCPT. */
  async function rcpt(server: HarakaServer, account: string, to: string): Promise<string> {
    const client = await world.client(server, account)
    await client.say(`MAIL FROM:<${account}>`)
    const { text } = await client.say(`RCPT TO:<${to}>`)
    await client.quit()
    return text
  }

  async function provider(name: Provider, isAngry: () => boolean): Promise<SmtpSink> {
    return world.domain(DOMAINS[name], {
      misdeed: (verb, { recipient }) =>
        verb === 'RCPT' && recipient.startsWith('spam') && isAngry() ? ANGRY[name] : undefined,
    })
  }

  async function start(mode: 'enforce' | 'shadow', hosts = 1): Promise<HarakaServer[]> {
    const store = hosts === 1 ? 'lmdb:data/sluice' : (await world.redis()).url
    const options = {
      providers: PROVIDERS,
      plugins: ['sluice/plugins/senders'],
      sluice: `store: ${store}\nautomation: {mode: ${mode}, blame: {least: 3, slow: 1/h}}\negress: {controller: ${CONTROLLER}}\n`,
      files: { 'sluice/responses.yaml': SOON },
    }
    const servers: HarakaServer[] = []
    for (let host = 0; host < hosts; host++) servers.push(await world.server(options))
    return servers
  }

  for (const name of ['google', 'outlook', 'yahoo'] as const) {
    const domain = DOMAINS[name]

    it(`finds who makes ${name} think ill of us, holds him back at the front, and lets go when it is over`, async () => {
      let isAngry = true
      const host = await provider(name, () => isAngry)
      const [server] = (await start('enforce')) as [HarakaServer]
      await world.send(server, 10, { account: 'ann@example.com', from: 'ann@example.com', to: [`friend@${domain}`] })
      await host.until('the good mail', () => host.messages.length === 10, 20_000)
      // In one message: of several the last ones would be refused already.
      const spam = { account: EVE, from: EVE, to: SPAMMED.map((who) => `${who}@${domain}`) }
      await world.send(server, 1, spam)

      const found = await eventually(async () => {
        const blamed = (await actions(server)).find(({ origin }) => origin === 'blame')
        assert.ok(blamed, server.log)
        return blamed
      }, 20_000)
      assert.equal(found.path, `sender|account|${EVE}`)
      assert.match(
        found.evidence,
        /recipients of account eve@example\.net were answered badly .* of the others 0 of \d+/,
      )
      assert.match(server.log, new RegExp(`action=order order=${found.id} origin=blame mode=enforce`))
      const throttled = await eventually(async () => {
        const path = (await actions(server)).find(({ origin }) => origin === 'controller')
        assert.ok(path)
        return path
      }, 20_000)
      assert.equal(throttled.path, `egress|default|${name}`)

      // One is within 1/h; from then on the front says no.
      const said = [await rcpt(server, EVE, `more@${domain}`), await rcpt(server, EVE, `more@${domain}`)]
      assert.match(said[1]!, /^450 4\.7\.1 Too many recipients while sending is slowed down here, try again in/)
      assert.match(await rcpt(server, 'ann@example.com', `friend@${domain}`), /^250/)

      isAngry = false
      await world.settled(host)
      await eventually(async () => assert.deepEqual(await actions(server), []), 60_000)
      await world.send(server, 1, spam)
      await world.settled(host)
    })
  }

  it('does so for mail that is submitted to another host', async () => {
    const host = await provider('google', () => true)
    const [one, other] = (await start('enforce', 2)) as [HarakaServer, HarakaServer]
    await world.send(one, 10, { account: 'ann@example.com', from: 'ann@example.com', to: ['friend@gmail.test'] })
    await world.send(one, 1, { account: EVE, from: EVE, to: SPAMMED.map((who) => `${who}@gmail.test`) })
    await eventually(async () => assert.ok((await actions(one)).some(({ origin }) => origin === 'blame')), 20_000)
    await rcpt(other, EVE, 'more@gmail.test')
    assert.match(await rcpt(other, EVE, 'more@gmail.test'), /^450 4\.7\.1 Too many recipients/)
    assert.equal(host.messages.length, 10)
  })

  it('says in shadow what it would do, and does nothing', async () => {
    const host = await provider('google', () => host.messages.length < 11)
    const [server] = (await start('shadow')) as [HarakaServer]
    await world.send(server, 10, { account: 'ann@example.com', from: 'ann@example.com', to: ['friend@gmail.test'] })
    const [id] = await world.send(server, 1, { account: EVE, from: EVE, to: SPAMMED.map((who) => `${who}@gmail.test`) })
    await eventually(async () => assert.ok((await actions(server)).some(({ origin }) => origin === 'blame')), 20_000)
    for (let count = 0; count < 3; count++) assert.match(await rcpt(server, EVE, 'more@gmail.test'), /^250/)
    assert.match(server.log, /origin=blame mode=shadow/)
    assert.ok(!taken(host).includes(id!))
  })

  it('writes to a mailbox that is not there once', async () => {
    const host = await world.domain('far.test', {
      misdeed: (verb, { recipient }) =>
        verb === 'RCPT' && recipient.startsWith('nobody') ? '550 5.1.1 User unknown' : undefined,
    })
    await world.domain('example.com')
    const server = await world.server({
      plugins: ['sluice/plugins/suppress'],
      sluice: 'store: lmdb:data/sluice\nautomation: {mode: enforce}\nsuppression: {mode: enforce}\n',
    })
    const ann = { account: 'ann@example.com', from: 'ann@example.com' }
    await world.send(server, 1, { ...ann, to: ['nobody@far.test', 'friend@far.test'] })
    await host.until('the other one', () => host.messages.length === 1, 20_000)
    const said = await eventually(async () => {
      const text = await rcpt(server, ann.account, 'Nobody@far.test')
      assert.match(text, /^550 5\.1\.1 /)
      return text
    }, 20_000)
    assert.match(said, /User unknown|hard.bounce/i)
    assert.match(await rcpt(server, ann.account, 'friend@far.test'), /^250/)
    const { stdout } = await sluice('suppress', 'check', 'nobody@far.test', '--json', '--dir', server.dir)
    assert.match(stdout, /hard_bounce/)
  })
})

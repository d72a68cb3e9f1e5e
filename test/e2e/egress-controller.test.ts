import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import type { HarakaServer } from '../support/haraka'
import type { SmtpSink } from '../support/smtp-sink'
import { sluice } from '../unit/cli/command'

const providersAt = (rate: string, longest = '1s') =>
  `default: {message_rate: 1000/s, retry: {first: 1s, factor: 1, longest: ${longest}, jitter: 0%}}\n` +
  `providers: {far: {match: {mx_suffix: [far.test]}, message_rate: ${rate}, sessions: {messages: 1000}}}\n`

interface Action {
  readonly id: string
  readonly path: string
  readonly origin: string
  readonly mode: string
  readonly evidence: string
  readonly values: { readonly rateFactor?: number; readonly suspended?: true }
}

async function run(server: HarakaServer, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await sluice('egress', ...args, '--dir', server.dir)
  assert.equal(code, 0, stderr)
  return stdout
}

const actions = async (server: HarakaServer) => JSON.parse(await run(server, 'actions', '--json')) as Action[]

/** How long messages were to wait for their next try, in seconds. */
async function waitsOf(server: HarakaServer): Promise<number[]> {
  const { stdout } = await sluice('why', 'far.test', '--json', '--most', '1000', '--dir', server.dir)
  const records = JSON.parse(stdout) as { readonly t: number; readonly retry?: number }[]
  return records.flatMap(({ retry, t }) => (retry === undefined ? [] : Math.round((retry - t) / 1000)))
}

/** The first action of the controller. */
async function firstAction(server: HarakaServer): Promise<Action> {
  const look = async () => {
    const [action] = await actions(server)
    assert.ok(action, 'the controller did nothing')
    return action
  }
  return eventually(look, 15_000, 250)
}

describe('a path that is throttled, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld
  let asked: number[]
  let throttled: number[]
  let far: SmtpSink

  const HIDDEN = 10

  async function start(mode: 'enforce' | 'shadow'): Promise<HarakaServer> {
    world = await MailWorld.start()
    ;[asked, throttled] = [[], []]
    far = await world.domain('far.test', {
      misdeed: (verb) => {
        if (verb !== 'MAIL') return undefined
        const now = Date.now()
        asked.push(now)
        if (asked.filter((at) => at > now - 1000).length <= HIDDEN) return undefined
        throttled.push(now)
        return '450 4.7.28 Our system has detected an unusual rate of mail from you'
      },
    })
    const controller = `mode: ${mode}, window: 5s, cooldown: 1s, recovery: {step: 10%, every: 20s}, keep: 10m`
    return world.server({
      providers: providersAt('40/s', '2s'),
      sluice: `store: lmdb:data/sluice\negress: {controller: {${controller}}}\n`,
    })
  }
  afterEach(() => world.end())

  const askedSince = (at: number) => asked.filter((one) => one >= at).length

  it('goes slower until it is throttled no more, says why, and loses nothing', async () => {
    const server = await start('enforce')
    await world.send(server, 120)
    const action = await firstAction(server)
    assert.deepEqual([action.path, action.origin, action.mode], ['egress|default|far', 'controller', 'enforce'])
    assert.match(action.evidence, /^\d+ of \d+ answers in .* were throttling .*last "450 4\.7\.28 Our system/)
    assert.ok(action.values.rateFactor! <= 0.5)
    const waits = async () => new Set(await waitsOf(server))
    await eventually(async () => assert.deepEqual(await waits(), new Set([1, 2]), 'they grow with it'), 15_000, 250)
    await far.until('all', () => far.messages.length === 120, 60_000)
    const late = throttled.filter((at) => at > asked.at(-1)! - 3000)
    assert.ok(late.length <= 3, `${late.length} throttled in the last three seconds, ${throttled.length} in all`)
    await world.settled(far)
    assert.match(await run(server, 'actions'), /far .*% of rate and connections .*controller +enforce/)
  })

  it('goes on as it did in shadow, which says what it would have done', async () => {
    const server = await start('shadow')
    await world.send(server, 120)
    const action = await firstAction(server)
    assert.deepEqual([action.path, action.origin, action.mode], ['egress|default|far', 'controller', 'shadow'])
    const seenAt = Date.now()
    await delay(1500)
    const perSecond = askedSince(seenAt) / 1.5
    assert.ok(perSecond > 25, `${perSecond} a second`)
    assert.deepEqual(new Set(await waitsOf(server)), new Set([1]))
  })
})

describe('a path under orders, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld
  let far: SmtpSink

  beforeEach(async () => {
    world = await MailWorld.start()
    far = await world.domain('far.test')
  })
  afterEach(() => world.end())

  async function servers(kind: string): Promise<HarakaServer[]> {
    const redis = kind === 'redis' ? await world.redis() : undefined
    const options = { providers: providersAt('10/s'), sluice: `store: ${redis?.url ?? 'lmdb:data/sluice'}\n` }
    const first = await world.server(options)
    return redis ? [first, await world.server(options)] : [first]
  }

  const since = (at: number) => far.messages.filter((message) => message.at >= at).length

  for (const kind of ['lmdb', 'redis']) {
    it(`stands still, goes on, goes at another rate, and as usual again: ${kind}`, async () => {
      const all = await servers(kind)
      const [server] = all as [HarakaServer]
      for (const one of all) await world.send(one, 140 / all.length)
      await far.until('some', () => far.messages.length > 5)

      await run(server, 'suspend', 'far', '--for', '1h', '--reason', 'their incident')
      // Slots that are taken already are for a second at most.
      await delay(1500)
      const still = Date.now()
      await delay(1500)
      assert.equal(since(still), 0, 'nothing goes while it is suspended')
      assert.match(await run(server, 'actions'), /egress\|default\|far +no mail .* operator +enforce +their incident/)

      await run(server, 'resume', 'far')
      const resumed = Date.now()
      await far.until('some more', () => since(resumed) >= 5, 3000)

      await run(server, 'set', 'far', '--rate', '2/s', '--connections', '1', '--for', '1h')
      await delay(1500)
      const slow = Date.now()
      await delay(3000)
      assert.ok(since(slow) >= 4 && since(slow) <= 7, `${since(slow)} in three seconds at 2/s`)

      const [{ id }] = (await actions(server)) as [Action]
      await run(server, 'cancel', id)
      // What is reserved at 2/s begins within a second, and half a second belongs to the last of it.
      await delay(1500)
      const usual = Date.now()
      await delay(3000)
      assert.ok(since(usual) >= 27 && since(usual) <= 33, `${since(usual)} in three seconds at 10/s`)
      await far.until('all', () => far.messages.length === 140, 30_000)
      await world.settled(far)
      assert.deepEqual(await actions(server), [])
    })
  }
})

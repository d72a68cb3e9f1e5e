import assert from 'node:assert/strict'
import type { HarakaServer } from '../support/haraka'
import { type HostScenario, hostScenarios } from '../support/host-scenarios'
import { assertAtRest, eventually, fates, reportedIn, reportsOf } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import type { RedisServer } from '../support/redis-server'
import type { Misdeed, SmtpSink } from '../support/smtp-sink'

const DEFAULT = `default:
  message_rate: 1000/s
  connection_rate: 1000/s
  connections: 5
  sessions: {messages: 50, idle: 1s}
  retry: {first: 1s, factor: 1, longest: 1s, jitter: 0%}
`
const RECIPIENTS = 20

/** All are served at the same time by one process: none is to disturb another. */
describe('mail to a host that misbehaves is taken once, or sent back once, or waits', function () {
  this.timeout(60_000)
  const scenarios = Object.entries(hostScenarios())
  const sentTo = new Map<string, string[]>()
  let world: MailWorld
  let redis: RedisServer
  let server: HarakaServer
  let near: SmtpSink
  let good: SmtpSink

  before(async () => {
    world = await MailWorld.start()
    redis = await world.redis()
    near = await world.domain('near.test')
    good = await world.domain('good.test')
    for (const [place, [, { hosts }]] of scenarios.entries()) await world.hosts(domainOf(place), hosts)
    const lines = scenarios.map(([, { profile }], place) => providerOf(place, profile))
    const providers = `${DEFAULT}providers:\n${lines.join('')}`
    server = await world.server({ providers, sluice: `store: ${redis.url}\n` })
    await Promise.all(scenarios.map(([what, scenario], place) => post(what, scenario, domainOf(place))))
  })
  after(() => world.end())

  const domainOf = (place: number) => `s${place}.test`
  const providerOf = (place: number, profile: string | undefined) =>
    `  s${place}: {match: {mx_suffix: [${domainOf(place)}]}${profile === undefined ? '' : `, ${profile}`}}\n`

  async function post(what: string, { messages = 3, body = 'hello' }: HostScenario, domain: string): Promise<void> {
    sentTo.set(what, await world.send(server, messages, { to: [`bob@${domain}`], body }))
  }

  for (const [what, { end, says, reports }] of scenarios) {
    it(`when it ${what}`, async () => {
      const ids = sentTo.get(what)!
      const wanted = ids.map(() => end)
      await eventually(() => assert.deepEqual(fates(world, [server], ids), wanted), 30_000)
      if (says) await server.waitForLog(says)
      const told = reportsOf(near, ids)
      for (const { text } of reports ? told : []) assert.match(text, reports!)
    })
  }

  it('when it answers half of the recipients with 4xx and half with 5xx, each with words of its own', async () => {
    const deferred = new Set<string>()
    const misdeed = (verb: string, { recipient }: { recipient: string }): Misdeed => {
      if (verb !== 'RCPT') return undefined
      const number = Number(/\d+/.exec(recipient)![0])
      if (number % 2 === 0) return `550 5.1.${number} nobody called ${number}`
      if (deferred.has(recipient)) return undefined
      deferred.add(recipient)
      return '450 4.2.1 not now'
    }
    const half = await world.domain('half.test', { misdeed })
    const to = Array.from({ length: RECIPIENTS }, (_, number) => `u${number}@half.test`)
    const ids = await world.send(server, 1, { to })
    const wanted = to.map((_, number) => (number % 2 === 0 ? '0/1/0' : '1/0/0'))
    await eventually(() => assert.deepEqual(fates(world, [server], ids), wanted))
    const reports = reportsOf(near, ids)
    assert.equal(reports.length, 1)
    const [report] = reports
    assert.equal(reportedIn(report!).length, RECIPIENTS / 2)
    for (let number = 0; number < RECIPIENTS; number += 2) {
      const own = new RegExp(
        `u${number}@half\\.test\r\n(?:.+\r\n)*Diagnostic-Code: .*550 5\\.1\\.${number} nobody called ${number}`,
      )
      assert.match(report!.text, own)
    }
    assert.equal(half.messages.length, 1)
  })

  it('and every place is free then, every connection closed, and mail for others goes on', async () => {
    await assertAtRest(world, [server], redis.url)
    await world.send(server, 3, { to: ['eve@good.test'] })
    await good.until('three more', () => good.messages.length === 3)
    await assertAtRest(world, [server], redis.url)
  })
})

import assert from 'node:assert/strict'
import { MailWorld, taken } from '../support/mail-world'
import type { HarakaServer } from '../support/haraka'
import type { Misdeed, SmtpSink } from '../support/smtp-sink'

const RULES = `responses:
  far_slow_down:
    code: '5'
    says: [slow down]
    class: rate
    scope: source
    passing: true
    is: ['550 5.7.1 Slow down, please']
`

describe('what answers mean for a message, end to end', function () {
  this.timeout(60_000)
  let world: MailWorld
  /** Where reports to our own senders go. */
  let near: SmtpSink
  let server: HarakaServer

  beforeEach(async () => {
    world = await MailWorld.start()
    near = await world.domain('near.test')
  })
  afterEach(() => world.end())

  /** The host answers the first command of this name so, and all others as it should. */
  async function far(verb: string, answer: Misdeed): Promise<SmtpSink> {
    let times = 0
    const host = await world.domain('far.test', {
      misdeed: (said) => (said === verb && times++ === 0 ? answer : undefined),
    })
    server = await world.server({ files: { 'sluice/responses.yaml': RULES } })
    return host
  }

  for (const [verb, answer] of [
    ['RCPT', '550 5.7.1 Slow down, please'],
    ['MAIL', '554 5.7.1 Slow down, please'],
    ['DATA', '554 Slow down, please'],
    ['DOT', '552 5.7.1 Slow down, please'],
  ] as const) {
    it(`keeps a message that is refused for now with a 5xx at ${verb}, and says why`, async () => {
      const host = await far(verb, answer)
      const [id] = await world.send(server, 1)
      await server.waitForLog(/delivery=deferred .* about=rate scope=source rule=far_slow_down /)
      await host.until('it', () => host.messages.length === 1, 30_000)
      await world.settled(host)
      assert.deepEqual(taken(host), [id])
      assert.deepEqual(taken(near), [], 'nobody is told that it failed')
    })
  }

  it('keeps it for those alone who were refused so, and bounces for those who do not exist', async () => {
    const asked: string[] = []
    const host = await world.domain('far.test', {
      misdeed: (verb, { recipient }) => {
        if (verb !== 'RCPT') return undefined
        const [who = ''] = recipient.split('@')
        asked.push(who)
        if (who === 'eve') return '550 5.1.1 User unknown'
        return who === 'bob' && asked.filter((one) => one === 'bob').length === 1
          ? '550 5.7.1 Slow down, please'
          : undefined
      },
    })
    server = await world.server({ files: { 'sluice/responses.yaml': RULES } })
    await world.send(server, 1, { to: ['ann@far.test', 'bob@far.test', 'eve@far.test'] })
    await host.until('both parts', () => host.messages.length === 2, 30_000)
    await near.until('the report', () => near.messages.length === 1, 30_000)
    await world.emptied(server)
    assert.deepEqual(
      host.messages.map(({ recipients }) => recipients),
      [['ann@far.test'], ['bob@far.test']],
    )
    assert.match(near.messages[0]!.text, /eve@far\.test/)
    assert.doesNotMatch(near.messages[0]!.text, /Final-Recipient: rfc822; bob/)
  })
})

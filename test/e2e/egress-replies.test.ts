import assert from 'node:assert/strict'
import { OutboundScene, SERIAL, type SceneOptions, type SessionProfile, hurried } from '../support/outbound-scene'
import type { Misdeed, SinkOptions } from '../support/smtp-sink'

describe('what hosts answer to deliveries, end to end', function () {
  this.timeout(60_000)
  let scene: OutboundScene

  afterEach(() => scene.stop())

  async function start(sink: SinkOptions, more: SceneOptions = {}): Promise<void> {
    scene = await OutboundScene.start([sink], { outbound: SERIAL, profile: {}, ...more })
  }

  const THREE = ['ann@far.test', 'bob@far.test', 'eve@far.test']
  /** How often each of them got the message. */
  const copies = () => {
    const got = scene.sink.messages.flatMap(({ recipients }) => recipients)
    return THREE.map((recipient) => got.filter((one) => one === recipient).length)
  }
  /** Bounces to the sender go to the sink as well. */
  const bounces = () => scene.sink.messages.filter(({ recipients }) => recipients.includes('ann@near.test')).length

  it('is a login only once for a session', async () => {
    const mx = { auth_user: 'near', auth_pass: 'secret' }
    await start({ auth: true }, { mx })
    await scene.send(2)
    await scene.settled()
    assert.equal(scene.sink.connections, 1)
    assert.equal(scene.sink.count('AUTH'), 1)
    assert.equal(scene.haraka.log.match(/auth=Y/g)?.length, 2)
    const [first, second] = await scene.attempts(2)
    assert(first!.hosts[0]!.phasesMs.auth !== undefined)
    assert.equal(second!.hosts[0]!.phasesMs.auth, undefined)
  })

  it('may be a refusal of our login: that is no fault of the message, which is tried again', async () => {
    let refusals = 0
    const misdeed = (verb: string) =>
      verb === 'AUTH' && refusals++ === 0 ? ('535 5.7.8 wrong password' as const) : undefined
    await start({ auth: true, misdeed }, { mx: { auth_user: 'near', auth_pass: 'secret' } })
    await scene.send(1)
    const [first] = await scene.attempts(1)
    assert.deepEqual(first!.outcome, { delivered: 0, deferred: 1, bounced: 0 })
    assert.match(first!.cause!, /AUTH was answered with 535 5\.7\.8 wrong password \(at auth\)$/)
    await scene.settled()
    assert.equal(bounces(), 0)
  })

  it('may differ from recipient to recipient: each comes to its end once', async () => {
    let deferrals = 0
    const answers: Record<string, () => Misdeed> = {
      'ann@far.test': () => '550 5.1.10 nobody of this name',
      'bob@far.test': () => (deferrals++ === 0 ? '450 4.7.28 later' : undefined),
      'eve@far.test': () => undefined,
    }
    await start({ misdeed: (verb, { recipient }) => (verb === 'RCPT' ? answers[recipient]?.() : undefined) })
    await scene.send(1, 'hello', THREE)
    const [first] = await scene.attempts(1)
    assert.deepEqual(first!.outcome, { delivered: 1, deferred: 1, bounced: 1 })
    assert.deepEqual(
      first!.recipients.map(({ reply }) => reply?.enhanced),
      ['5.1.10', '4.7.28', undefined],
    )
    await scene.sink.until('all ended', () => scene.sink.messages.length === 3, 20_000)
    await scene.emptied()
    assert.deepEqual([copies(), bounces()], [[0, 1, 1], 1])
  })

  it('may be that recipients are forwarded: they are no less delivered', async () => {
    await start({ misdeed: (verb) => (verb === 'RCPT' ? '251 2.1.5 will forward' : undefined) })
    await scene.send(1, 'hello', THREE)
    await scene.settled()
    assert.deepEqual(copies(), [1, 1, 1])
  })

  it('may be a refusal of all, for now and for good', async () => {
    let asked = 0
    const misdeed = (verb: string, { recipient }: { recipient: string }): Misdeed => {
      if (verb !== 'RCPT' || !recipient.endsWith('far.test')) return undefined
      return recipient === 'ann@far.test' ? '550 5.1.1 nobody' : asked++ < 2 ? '451 4.3.0 later' : undefined
    }
    await start({ misdeed })
    await scene.send(1, 'hello', THREE)
    await scene.sink.until('all ended', () => bounces() === 1 && copies().join() === '0,1,1', 20_000)
    await scene.emptied()
  })

  for (const refused of THREE) {
    it(`may come for each recipient after the dot, with ${refused} to be tried again`, async () => {
      let refusals = 0
      const misdeed = (verb: string) =>
        verb === `DOT ${refused}` && refusals++ === 0 ? ('452 4.2.2 mailbox full' as const) : undefined
      await start({ lmtp: true, misdeed }, { mx: { using_lmtp: true } })
      await scene.send(1, 'hello', THREE)
      const [first] = await scene.attempts(1)
      assert.deepEqual(
        first!.recipients.map(({ address, fate }) => [address, fate]),
        THREE.map((address) => [address, address === refused ? 'deferred' : 'delivered']),
      )
      await scene.sink.until('the second', () => scene.sink.messages.length === 2, 20_000)
      await scene.emptied()
      assert.deepEqual(copies(), [1, 1, 1])
      assert.equal(scene.sink.count('LHLO'), scene.sink.connections)
    })
  }

  it('may come for each recipient after the dot, good and bad', async () => {
    let refusals = 0
    const misdeed = (verb: string): Misdeed => {
      if (verb === 'DOT bob@far.test') return '550 5.7.1 not you'
      return verb === 'DOT eve@far.test' && refusals++ === 0 ? '452 4.2.2 mailbox full' : undefined
    }
    await start({ lmtp: true, misdeed }, { mx: { using_lmtp: true } })
    await scene.send(1, 'hello', THREE)
    await scene.sink.until('all ended', () => scene.sink.messages.length === 3, 20_000)
    await scene.emptied()
    assert.deepEqual([copies(), bounces()], [[1, 0, 1], 1])
  })

  it('may stop in the middle of those after the dot: who has the message gets it no second time', async () => {
    let closes = 0
    const misdeed = (verb: string) => (verb === 'DOT bob@far.test' && closes++ === 0 ? ('close' as const) : undefined)
    await start({ lmtp: true, misdeed }, { mx: { using_lmtp: true } })
    await scene.send(1, 'hello', THREE)
    const [first] = await scene.attempts(1)
    assert.match(first!.cause!, /451 4\.4\.2 no answer for this recipient: the server closed the connection \(at dot\)/)
    await scene.sink.until('the second', () => scene.sink.messages.length === 2, 20_000)
    await scene.emptied()
    assert.deepEqual(copies(), [1, 1, 1])
  })

  it('is asked in sessions of each worker', async () => {
    await start({}, { nodes: 2, outbound: '' })
    await Promise.all([scene.send(10), scene.send(10)])
    await scene.settled()
    const attempts = await scene.attempts(20)
    assert.equal(attempts.length, 20)
    const opened = attempts.filter(({ hosts }) => hosts[0]!.session === 'new').length
    assert.equal(scene.sink.connections, opened)
  })

  it('is asked in a session for each message where sessions are off', async () => {
    await start({}, { profile: { sessions: 'off' } })
    await scene.send(3)
    await scene.settled()
    assert.equal(scene.sink.connections, 3)
    assert.equal(scene.sink.count('QUIT'), 3)
  })

  for (const [verb, phase, figure] of [
    ['CONNECT', 'greeting', 'greetingMs'],
    ['EHLO', 'hello', 'ehloMs'],
    ['MAIL', 'mail', 'mailMs'],
    ['RCPT', 'rcpt', 'rcptMs'],
    ['DATA', 'data', 'dataMs'],
    ['DOT', 'dot', 'dotMs'],
  ] as [string, string, keyof SessionProfile['timeouts']][]) {
    it(`is waited for as long as the path says at ${phase}`, async () => {
      await start({ misdeed: (asked) => (asked === verb ? 'hang' : undefined) }, { profile: hurried(figure, 200) })
      await scene.send(1)
      const [first] = await scene.attempts(1)
      assert.match(first!.cause!, new RegExp(`timed out at ${phase} \\(at ${phase}\\)$`))
      assert.deepEqual(first!.outcome, { delivered: 0, deferred: 1, bounced: 0 })
      await scene.closed()
    })
  }

  it('is nothing where nobody listens, and the cause is known', async () => {
    await start({})
    await scene.sink.stop()
    await scene.send(1)
    const [first] = await scene.attempts(1)
    assert.match(first!.cause!, /^127\.0\.0\.1: connect ECONNREFUSED 127\.0\.0\.1:\d+ \(at connect\)$/)
  })

  it('says how large a message may be: a larger one is not sent, and bounces', async () => {
    const misdeed = (verb: string) => (verb === 'EHLO' ? ('250-sink.test\r\n250 SIZE 5000' as const) : undefined)
    await start({ misdeed })
    await scene.send(1, `${'x'.repeat(900)}\r\n`.repeat(10))
    const [first] = await scene.attempts(1)
    assert.match(first!.cause!, /552 5\.3\.4 Not sent: \d+ bytes, and the host takes 5000 \(at mail\)/)
    await scene.sink.until('the bounce', () => bounces() === 1)
    await scene.emptied()
    assert.deepEqual(scene.sink.messages.length, 1)
  })
})

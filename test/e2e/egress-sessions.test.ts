import assert from 'node:assert/strict'
import type { HarakaServer } from '../support/haraka'
import { OutboundScene, SERIAL, type SceneOptions } from '../support/outbound-scene'
import type { SinkOptions, SinkSession, SmtpSink } from '../support/smtp-sink'

describe('outbound sessions, end to end', function () {
  this.timeout(60_000)
  let scene: OutboundScene
  let haraka: HarakaServer
  let sink: SmtpSink

  afterEach(() => scene.stop())

  async function start(options: SinkOptions = {}, more: SceneOptions = {}): Promise<void> {
    scene = await OutboundScene.start([options], more)
    ;({ haraka, sink } = scene)
  }

  /** How many messages each connection carried. */
  const carried = () => {
    const counts = new Array<number>(sink.connections).fill(0)
    for (const { session } of sink.messages) counts[session - 1]!++
    return counts
  }

  it('carry many messages', async () => {
    await start({}, { outbound: SERIAL })
    await scene.send(30)
    await scene.settled()
    assert.equal(sink.connections, 1)
    assert.equal(sink.count('EHLO'), 1)
    assert.equal(sink.count('RSET'), 0)
    assert.equal(sink.count('QUIT'), 1)
  })

  it('stay in TLS', async () => {
    await start({ starttls: true }, { outbound: SERIAL })
    await scene.send(30)
    await scene.settled()
    assert.equal(sink.connections, 1)
    assert.equal(sink.handshakes, 1)
    assert.equal(sink.count('EHLO'), 2)
    assert.equal(sink.count('STARTTLS'), 1)
    assert(sink.messages.every(({ encrypted }) => encrypted))
    assert.equal(haraka.log.match(/mode=SMTP tls=Y/g)?.length, 30)
  })

  it('are one a message without the plugin', async () => {
    await start({ starttls: true }, { outbound: SERIAL, plugins: [] })
    await scene.send(5)
    await scene.settled()
    assert.equal(sink.connections, 5)
  })

  it('carry messages of many deliveries at a time, large ones too', async () => {
    await start({ starttls: true }, { outbound: 'concurrency_max=10\n' })
    const body = `${'x'.repeat(900)}\r\n`.repeat(500)
    await Promise.all([scene.send(20), scene.send(20), scene.send(5, body)])
    await scene.settled()
    assert(sink.connections <= 10, `${sink.connections} connections`)
    assert.equal(sink.messages.filter(({ bytes }) => bytes > 450_000).length, 5)
  })

  it('carry 50 messages each', async () => {
    await start({}, { outbound: SERIAL })
    await scene.send(120)
    await scene.settled()
    assert.deepEqual(carried(), [50, 50, 20])
  })

  it('end when no message comes', async () => {
    await start()
    await scene.send(1)
    await sink.until('the message', () => sink.messages.length === 1)
    await sink.until('QUIT', () => sink.count('QUIT') === 1, 8000)
    await scene.settled()
  })

  const closesAfter =
    (most: number) =>
    (verb: string, { taken }: SinkSession) =>
      verb === 'TAKEN' && taken === most ? ('close' as const) : undefined

  for (const starttls of [false, true]) {
    it(`go on with another when the host closes after 20 without a word, ${starttls ? 'in TLS' : 'plain'}`, async () => {
      await start({ starttls, misdeed: closesAfter(20) }, { outbound: SERIAL })
      await scene.send(50)
      await scene.settled()
      assert.equal(sink.connections, 3)
      assert.doesNotMatch(haraka.log, /delivery=deferred|Temp failing|Tried all MXs/)
    })
  }

  it('go on with another when a session in use answers MAIL with 421, or with nothing but a reset', async () => {
    const misdeed = (verb: string, { taken, number }: SinkSession) => {
      if (verb !== 'MAIL' || taken < 3) return undefined
      return number % 2 ? ('421 4.4.2 too many messages in this session' as const) : ('reset' as const)
    }
    await start({ misdeed }, { outbound: SERIAL })
    await scene.send(12)
    await scene.settled()
    assert.equal(sink.connections, 4)
    assert.doesNotMatch(haraka.log, /Temp failing|Tried all MXs/)
    assert.match(haraka.log, /a session with 127\.0\.0\.1 had ended, trying again on a new one/)
  })

  it('defer for a 421 that is about the sender', async () => {
    let refusals = 0
    const misdeed = (verb: string, { taken }: SinkSession) =>
      verb === 'MAIL' && taken === 2 && refusals++ === 0 ? ('421 4.7.28 rate limited, slow down' as const) : undefined
    await start({ misdeed }, { outbound: SERIAL })
    await scene.send(4)
    await scene.settled()
    assert.equal(refusals, 1)
    assert.match(haraka.log, /Temp failing .* 421 .*rate limited/)
  })

  it('are made clean with RSET, and closed where it is refused', async () => {
    let refuseReset = false
    const misdeed = (verb: string) => {
      if (verb === 'RCPT' && sink.count('RCPT') % 2 === 1) return '550 5.1.1 nobody' as const
      return verb === 'RSET' && refuseReset ? ('502 never heard of it' as const) : undefined
    }
    await start({ misdeed }, { outbound: SERIAL })
    // The first recipient is refused, so that the bounce is taken with the second.
    await scene.send(1)
    await sink.until('RSET, and the bounce', () => sink.count('RSET') === 1 && sink.messages.length === 1)
    assert.equal(sink.connections, 1)
    refuseReset = true
    await scene.send(1)
    await sink.until('the other bounce', () => sink.messages.length === 2)
    assert.equal(sink.count('RSET'), 2)
    assert.equal(sink.connections, 2)
    assert.deepEqual(
      sink.messages.map(({ recipients }) => recipients),
      [['ann@near.test'], ['ann@near.test']],
    )
    await sink.until('all closed', () => sink.open === 0)
    await scene.emptied()
  })

  it('lose no message and deliver none twice when the host resets in the middle of one', async () => {
    let resets = 0
    const misdeed = (verb: string, { taken }: SinkSession) =>
      verb === 'BODY' && taken === 2 && resets++ === 0 ? ('reset' as const) : undefined
    await start({ misdeed }, { outbound: SERIAL })
    await scene.send(6, `${'x'.repeat(900)}\r\n`.repeat(500))
    await scene.settled()
    assert(resets >= 1)
  })

  it('are closed when Haraka stops', async () => {
    await start({}, { graceful: true })
    await scene.send(1)
    await sink.until('the message', () => sink.messages.length === 1)
    await scene.emptied()
    assert.equal(sink.open, 1)
    await haraka.stop()
    await scene.settled()
    assert.equal(sink.count('QUIT'), 1)
  })
})

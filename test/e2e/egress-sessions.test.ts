import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HarakaServer } from '../support/haraka'
import { SmtpClient } from '../support/smtp-client'
import { type SinkOptions, type SinkSession, SmtpSink } from '../support/smtp-sink'

/** Relay for this client only: relay_acl_allow. */
const SENDER = '127.0.0.99'
/** One at a time, so that what a session carries is known. */
const SERIAL = 'concurrency_max=1\n'

describe('outbound sessions, end to end', function () {
  this.timeout(60_000)
  let haraka: HarakaServer
  let sink: SmtpSink
  const sent: string[] = []

  afterEach(async () => {
    sent.length = 0
    await haraka.remove()
    await sink.stop()
  })

  async function start(
    options: SinkOptions = {},
    outbound = '',
    plugins = ['sluice/plugins/egress'],
    graceful = false,
  ): Promise<void> {
    sink = await SmtpSink.start(options)
    haraka = await HarakaServer.start({
      sluice: '',
      graceful,
      plugins: ['no_rdns', 'relay', 'to_sink', ...plugins],
      files: {
        'outbound.ini': `local_mx_ok=true\ntemp_fail_intervals=5s*20\n${outbound}`,
        '../plugins/to_sink.js': toSink(sink.port),
      },
    })
    if (plugins.length > 0) await haraka.waitForLog(/outbound sessions are reused/)
  }

  /** Queues messages, a few at a time, with ids that all differ. */
  async function send(count: number, body = 'hello', recipients: readonly string[] = ['bob@far.test']): Promise<void> {
    const client = await SmtpClient.greet(haraka.port, SENDER)
    for (let number = 0; number < count; number++) {
      const id = `m${sent.length}@near.test`
      const text = `Message-Id: <${id}>\r\nSubject: test\r\n\r\n${body}`
      const reply = await client.send('ann@near.test', recipients, text)
      assert.equal(reply.code, 250, reply.text)
      sent.push(id)
    }
    await client.quit()
  }

  /** Every message once, nothing left behind: no queue file, no connection. */
  async function settled(): Promise<void> {
    await sink.until('all messages', () => sink.messages.length >= sent.length, 40_000)
    await sink.until('all closed', () => sink.open === 0)
    assert.deepEqual(sink.messages.map(({ id }) => id).sort(), [...sent].sort())
    await emptied()
  }

  /** Haraka removes a file a moment after the message was taken. */
  async function emptied(): Promise<void> {
    for (let turn = 0; turn < 100 && queued().length > 0; turn++) await delay(20)
    assert.deepEqual(queued(), [])
  }

  const queued = () => readdirSync(path.join(haraka.dir, 'queue'))
  /** How many messages each connection carried. */
  const carried = () => {
    const counts = new Array<number>(sink.connections).fill(0)
    for (const { session } of sink.messages) counts[session - 1]!++
    return counts
  }

  it('carry many messages', async () => {
    await start({}, SERIAL)
    await send(30)
    await settled()
    assert.equal(sink.connections, 1)
    assert.equal(sink.count('EHLO'), 1)
    assert.equal(sink.count('RSET'), 0)
    assert.equal(sink.count('QUIT'), 1)
  })

  it('stay in TLS', async () => {
    await start({ starttls: true }, SERIAL)
    await send(30)
    await settled()
    assert.equal(sink.connections, 1)
    assert.equal(sink.handshakes, 1)
    assert.equal(sink.count('EHLO'), 2)
    assert.equal(sink.count('STARTTLS'), 1)
    assert(sink.messages.every(({ encrypted }) => encrypted))
    assert.equal(haraka.log.match(/mode=SMTP tls=Y/g)?.length, 30)
  })

  it('are one a message without the plugin', async () => {
    await start({ starttls: true }, SERIAL, [])
    await send(5)
    await settled()
    assert.equal(sink.connections, 5)
  })

  it('carry messages of many deliveries at a time, large ones too', async () => {
    await start({ starttls: true }, 'concurrency_max=10\n')
    const body = `${'x'.repeat(900)}\r\n`.repeat(500)
    await Promise.all([send(20), send(20), send(5, body)])
    await settled()
    assert(sink.connections <= 10, `${sink.connections} connections`)
    assert.equal(sink.messages.filter(({ bytes }) => bytes > 450_000).length, 5)
  })

  it('carry 50 messages each', async () => {
    await start({}, SERIAL)
    await send(120)
    await settled()
    assert.deepEqual(carried(), [50, 50, 20])
  })

  it('end when no message comes', async () => {
    await start()
    await send(1)
    await sink.until('the message', () => sink.messages.length === 1)
    await sink.until('QUIT', () => sink.count('QUIT') === 1, 8000)
    await settled()
  })

  const closesAfter =
    (most: number) =>
    (verb: string, { taken }: SinkSession) =>
      verb === 'TAKEN' && taken === most ? ('close' as const) : undefined

  for (const starttls of [false, true]) {
    it(`go on with another when the host closes after 20 without a word, ${starttls ? 'in TLS' : 'plain'}`, async () => {
      await start({ starttls, misdeed: closesAfter(20) }, SERIAL)
      await send(50)
      await settled()
      assert.equal(sink.connections, 3)
      assert.doesNotMatch(haraka.log, /deferred|Temp failing|Tried all MXs/)
    })
  }

  it('go on with another when a session in use answers MAIL with 421, or with nothing but a reset', async () => {
    const misdeed = (verb: string, { taken, number }: SinkSession) => {
      if (verb !== 'MAIL' || taken < 3) return undefined
      return number % 2 ? ('421 4.4.2 too many messages in this session' as const) : ('reset' as const)
    }
    await start({ misdeed }, SERIAL)
    await send(12)
    await settled()
    assert.equal(sink.connections, 4)
    assert.doesNotMatch(haraka.log, /Temp failing|Tried all MXs/)
    assert.match(haraka.log, /a session with 127\.0\.0\.1 had ended, trying again on a new one/)
  })

  it('defer for a 421 that is about the sender', async () => {
    let refusals = 0
    const misdeed = (verb: string, { taken }: SinkSession) =>
      verb === 'MAIL' && taken === 2 && refusals++ === 0 ? ('421 4.7.28 rate limited, slow down' as const) : undefined
    await start({ misdeed }, SERIAL)
    await send(4)
    await settled()
    assert.equal(refusals, 1)
    assert.match(haraka.log, /Temp failing .* 421 .*rate limited/)
  })

  it('are made clean with RSET, and closed where it is refused', async () => {
    let refuseReset = false
    const misdeed = (verb: string) => {
      if (verb === 'RCPT' && sink.count('RCPT') % 2 === 1) return '550 5.1.1 nobody' as const
      return verb === 'RSET' && refuseReset ? ('502 never heard of it' as const) : undefined
    }
    await start({ misdeed }, SERIAL)
    // The first recipient is refused, so that the bounce is taken with the second.
    await send(1)
    await sink.until('RSET, and the bounce', () => sink.count('RSET') === 1 && sink.messages.length === 1)
    assert.equal(sink.connections, 1)
    refuseReset = true
    await send(1)
    await sink.until('the other bounce', () => sink.messages.length === 2)
    assert.equal(sink.count('RSET'), 2)
    assert.equal(sink.connections, 2)
    assert.deepEqual(
      sink.messages.map(({ recipients }) => recipients),
      [['ann@near.test'], ['ann@near.test']],
    )
    await sink.until('all closed', () => sink.open === 0)
    await emptied()
  })

  it('lose no message and deliver none twice when the host resets in the middle of one', async () => {
    let resets = 0
    const misdeed = (verb: string, { taken }: SinkSession) =>
      verb === 'BODY' && taken === 2 && resets++ === 0 ? ('reset' as const) : undefined
    await start({ misdeed }, SERIAL)
    await send(6, `${'x'.repeat(900)}\r\n`.repeat(500))
    await settled()
    assert(resets >= 1)
  })

  it('fail as without reuse when the handshake does', async () => {
    await start({ starttls: 'broken' }, SERIAL)
    await send(1)
    await haraka.waitForLog(/Temp failing/)
    await sink.until('all closed', () => sink.open === 0)
    assert.equal(sink.count('STARTTLS'), 1)
    assert.equal(queued().length, 1)
  })

  it('are closed when Haraka stops', async () => {
    await start({}, '', ['sluice/plugins/egress'], true)
    await send(1)
    await sink.until('the message', () => sink.messages.length === 1)
    await emptied()
    assert.equal(sink.open, 1)
    await haraka.stop()
    await settled()
    assert.equal(sink.count('QUIT'), 1)
  })
})

/** A plugin that has every domain's mail go to the sink. */
function toSink(port: number): string {
  return `exports.hook_get_mx = (next) => next(OK, { priority: 0, exchange: '127.0.0.1', port: ${port} })\n`
}

import assert from 'node:assert/strict'
import PostalMime from 'postal-mime'
import { MailWorld, taken } from '../support/mail-world'
import type { HarakaServer } from '../support/haraka'
import type { Misdeed, SmtpSink } from '../support/smtp-sink'

const retry = (first: string, factor: number, longest: string) =>
  `default: {message_rate: 1000/s, retry: {first: ${first}, factor: ${factor}, longest: ${longest}, jitter: 0%}}\n`
/** Short enough for a test; Haraka looks for what is due each second. */
const SHORT = 'egress: {lifetime: 4s, bounce_lifetime: 2s, delay_notice: false}\n'

describe('how mail ends that is not delivered, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld
  /** Where reports to our own senders go. */
  let near: SmtpSink
  let asked: number[]

  beforeEach(async () => {
    world = await MailWorld.start()
    near = await world.domain('near.test')
    asked = []
  })
  afterEach(() => world.end())

  /** The host of far.test answers each RCPT so, by the number of those before. */
  const far = (answer: (before: number) => Misdeed) =>
    world.domain('far.test', {
      misdeed: (verb) => {
        if (verb !== 'RCPT') return undefined
        asked.push(Date.now())
        return answer(asked.length - 1)
      },
    })

  const gaps = () => asked.slice(1).map((at, index) => at - asked[index]!)

  /** The only report that has come, in parts. */
  async function report(): Promise<{ text: string; status: string; header: string; raw: string }> {
    await near.until('the report', () => near.messages.length > 0, 40_000)
    assert.equal(near.messages.length, 1)
    const raw = near.messages[0]!.text
    assert.match(raw, /^Content-Type: multipart\/report; report-type=delivery-status;/m)
    const { from, to, text = '', attachments } = await PostalMime.parse(raw, { forceRfc822Attachments: true })
    assert.equal(from?.address, 'MAILER-DAEMON@mx.local.test')
    assert.deepEqual(
      to?.map(({ address }) => address),
      ['ann@near.test'],
    )
    const part = (type: string) => {
      const found = attachments.find(({ mimeType }) => mimeType === type)
      assert.ok(found, `no ${type} in ${raw}`)
      return typeof found.content === 'string' ? found.content : new TextDecoder().decode(found.content)
    }
    return {
      text: text.replace(/\n/g, ' '),
      status: part('message/delivery-status').replace(/\r?\n /g, ' '),
      header: part('text/rfc822-headers'),
      raw,
    }
  }

  async function sendAndExpire(server: HarakaServer) {
    const [id] = await world.send(server, 1)
    const said = await report()
    await world.emptied(server)
    assert.match(said.header, new RegExp(`^Message-Id: <${id}>`, 'm'))
    assert.match(said.status, /^Final-Recipient: rfc822; bob@far\.test$/m)
    assert.match(said.status, /^Action: failed$/m)
    assert.match(said.status, /^Status: 5\.4\.7$/m)
    assert.match(said.status, /^Last-Attempt-Date: /m)
    assert.match(said.text, /could not be delivered in time/)
    return said
  }

  it('is tried by the waits of its profile, in seconds, and then is delivered', async () => {
    const host = await far((before) => (before < 4 ? '451 4.3.0 later' : undefined))
    const server = await world.server({ providers: retry('1s', 2, '4s') })
    await world.send(server, 1)
    await host.until('it', () => host.messages.length === 1, 40_000)
    await world.emptied(server)
    // What is due is looked for each second.
    for (const [index, waitMs] of [1000, 2000, 4000, 4000].entries()) {
      const ms = gaps()[index]!
      assert.ok(ms > waitMs - 100 && ms < waitMs + 1900, `waits of ${gaps().join(', ')} ms`)
    }
    assert.equal(near.messages.length, 0)
  })

  it('is not tried before the time that the host has named', async () => {
    const host = await far((before) => (before === 0 ? '451 4.7.1 Greylisted, try again in 5 seconds' : undefined))
    const server = await world.server()
    await world.send(server, 1)
    await host.until('it', () => host.messages.length === 1, 40_000)
    await world.emptied(server)
    assert.ok(gaps()[0]! > 4900 && gaps()[0]! < 8000, `${gaps()[0]} ms`)
  })

  it('is reported at once when the host refuses it for good, with what it said', async () => {
    const host = await far(() => '550 5.7.606 Access denied, banned sending IP')
    const server = await world.server()
    await world.send(server, 1)
    const { text, status } = await report()
    await world.emptied(server)
    assert.match(status, /^Reporting-MTA: dns; mx\.local\.test$/m)
    assert.match(status, /^Action: failed$/m)
    assert.match(status, /^Status: 5\.7\.606$/m)
    assert.match(status, /^Remote-MTA: dns; mx\.far\.test$/m)
    assert.match(status, /^Diagnostic-Code: smtp; 550 5\.7\.606 Access denied, banned sending IP$/m)
    assert.match(status, /^Last-Attempt-Date: /m)
    assert.match(text, /mx\.far\.test said: 550 5\.7\.606 Access denied/)
    assert.deepEqual([asked.length, host.messages.length], [1, 0])
  })

  it('is reported for each recipient with what it was answered, and delivered to the others', async () => {
    const answers: Record<string, Misdeed> = {
      'bob@far.test': '550 5.1.1 no bob here',
      'eve@far.test': '552 5.2.2 eve is full',
    }
    const host = await world.domain('far.test', {
      misdeed: (verb, { recipient }) => (verb === 'RCPT' ? answers[recipient] : undefined),
    })
    const server = await world.server()
    await world.send(server, 1, { to: ['bob@far.test', 'ann@far.test', 'eve@far.test'] })
    const { status } = await report()
    await world.emptied(server)
    assert.deepEqual(
      [...status.matchAll(/^(?:Final-Recipient|Diagnostic-Code): \S+ (.*)$/gm)].map(([, said]) => said),
      ['bob@far.test', '550 5.1.1 no bob here', 'eve@far.test', '552 5.2.2 eve is full'],
    )
    assert.deepEqual(
      host.messages.map(({ recipients }) => recipients),
      [['ann@far.test']],
    )
  })

  it('is given up at the end of its time, for what the host said last', async () => {
    await far((before) => (before === 0 ? '451 4.3.0 something else' : '421 4.7.28 Unusual rate of mail'))
    const server = await world.server({ sluice: SHORT })
    const { status, text } = await sendAndExpire(server)
    assert.match(status, /^Diagnostic-Code: smtp; 421 4\.7\.28 Unusual rate of mail$/m)
    assert.match(status, /^Remote-MTA: dns; mx\.far\.test$/m)
    assert.match(text, /mx\.far\.test said: 421 4\.7\.28 Unusual rate of mail/)
    assert.ok(asked.length >= 3, `${asked.length} attempts`)
  })

  it('is given up at the end of its time, since nobody listens', async () => {
    const host = await far(() => undefined)
    await host.stop()
    const server = await world.server({ sluice: SHORT })
    const { status } = await sendAndExpire(server)
    assert.match(status, /^Diagnostic-Code: x-sluice; mx\.far\.test \[.*\]: connect ECONNREFUSED .*$/m)
  })

  it('is given up at the end of its time, since DNS does not say', async () => {
    world.dns.serve('far.test', () => ({ rcode: 2 }))
    const server = await world.server({ sluice: SHORT })
    const { status, text } = await sendAndExpire(server)
    assert.match(status, /^Diagnostic-Code: x-sluice; DNS does not say where mail to far\.test goes/m)
    assert.match(text, /DNS does not say/)
    await server.waitForLog(/delivery=deferred .*domain=far\.test .*reason="DNS does not say/)
  })

  it('is dropped with a word in the log when it is a bounce, sooner, and nobody is told', async () => {
    const host = await far(() => '451 4.3.0 later')
    const server = await world.server({ sluice: SHORT })
    await world.send(server, 1, { from: '' })
    await server.waitForLog(/Double bounce/)
    await world.emptied(server)
    assert.ok(asked.at(-1)! - asked[0]! < 4500, `tried for ${asked.at(-1)! - asked[0]!} ms`)
    assert.deepEqual([near.messages.length, host.messages.length], [0, 0])
  })

  it('is told of to nobody when it has no sender and is refused', async () => {
    await far(() => '550 5.1.1 no such user')
    const server = await world.server()
    await world.send(server, 1, { from: '' })
    await server.waitForLog(/Double bounce/)
    await world.emptied(server)
    assert.deepEqual([asked.length, near.messages.length], [1, 0])
  })

  it('is told of once while it is late, also after a restart', async () => {
    let isClosed = true
    const host = await far(() => (isClosed ? '451 4.3.0 later' : undefined))
    const sluice = 'store: lmdb:data/sluice\negress: {lifetime: 1h, delay_notice: 2s}\n'
    const server = await world.server({ sluice })
    const [id] = await world.send(server, 1)
    const { text, status, header } = await report()
    assert.match(text, /has not yet been\s+delivered/)
    assert.match(header, new RegExp(`^Message-Id: <${id}>`, 'm'))
    assert.match(status, /^Action: delayed$/m)
    assert.match(status, /^Status: 4\.3\.0$/m)
    assert.match(status, /^Diagnostic-Code: smtp; 451 4\.3\.0 later$/m)
    assert.match(status, /^Will-Retry-Until: /m)
    // A store that one process alone has open is written each second.
    await host.until('two more attempts', () => asked.length >= 6, 30_000)
    await server.stop('SIGTERM')
    const before = asked.length
    const again = await world.server({ sluice, dir: server.dir })
    await host.until('two more attempts', () => asked.length >= before + 2, 30_000)
    isClosed = false
    await host.until('it', () => host.messages.length === 1)
    await world.emptied(again)
    assert.deepEqual(taken(host), [id])
    assert.equal(near.messages.length, 1, near.messages.map(({ text }) => text).join('\n\n----\n'))
  })
})

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../support/mail-ledger'
import { MailWorld, taken } from '../support/mail-world'
import type { SmtpSink } from '../support/smtp-sink'
import { sluice } from '../unit/cli/command'

const farWith = (figures: string) =>
  'default: {message_rate: 1000/s, retry: {first: 1s, factor: 1, longest: 1s, jitter: 0%}}\n' +
  `providers: {far: {match: {mx_suffix: [far.test]}, ${figures}}}\n`

/** The most of these times that lie within any span of so many milliseconds. */
function mostWithin(times: readonly number[], ms: number): number {
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + ms).length))
}

describe('what holds for a path, end to end', function () {
  this.timeout(60_000)
  let world: MailWorld
  let far: SmtpSink

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  it('is how many connections are made in a time', async () => {
    far = await world.domain('far.test')
    const server = await world.server({ providers: farWith('connection_rate: 4/2s, sessions: off') })
    await world.send(server, 14)
    await world.settled(far)
    assert.equal(far.connections, 14)
    const most = mostWithin(far.connectedAt, 1900)
    assert.ok(most <= 4, `${most} connections within 1.9 s`)
    assert.ok(far.connectedAt.at(-1)! - far.connectedAt[0]! < 12_000)
  })

  it('is how many messages a session carries', async () => {
    far = await world.domain('far.test')
    const server = await world.server({ providers: farWith('connections: 1, sessions: {messages: 4}') })
    await world.send(server, 10)
    await world.settled(far)
    const counts = [1, 2, 3].map((number) => far.messages.filter(({ session }) => session === number).length)
    assert.deepEqual(counts, [4, 4, 2])
  })

  it('is TLS, which one domain demands and the others of its host do without', async () => {
    far = await world.domain('far.test')
    world.mx('strict.test', 'mx.far.test')
    const server = await world.server({
      providers: farWith('connections: 5') + 'domains: {strict.test: {tls: required}}\n',
    })
    await world.send(server, 1)
    await world.send(server, 1, { to: ['eve@strict.test'] })
    await far.until('the other', () => far.messages.length === 1)
    await server.waitForLog(/delivery=deferred .*the host offers no TLS/)
    await delay(1500)
    assert.deepEqual(taken(far), [world.sent[0]])
    assert.equal(world.queued(server).length, 1)
  })

  it('is the oldest version of TLS that will do', async () => {
    far = await world.domain('far.test', { starttls: true, tlsVersion: 'TLSv1.2' })
    const modern = await world.domain('modern.test', { starttls: true })
    const server = await world.server({
      providers:
        'default: {message_rate: 1000/s}\nproviders:\n' +
        '  far: {match: {mx_suffix: [far.test]}, tls: {demand: required, min_version: 1.3}}\n' +
        '  modern: {match: {mx_suffix: [modern.test]}, tls: {min_version: 1.3}}\n',
    })
    await world.send(server, 1)
    await world.send(server, 1, { to: ['eve@modern.test'] })
    await modern.until('the modern one', () => modern.messages.length === 1)
    assert.equal(modern.messages[0]!.encrypted, true)
    await server.waitForLog(/delivery=deferred .*TLS handshake/)
    assert.equal(far.messages.length, 0)
  })

  it('is a path of its own for a domain that says a rate for itself', async () => {
    far = await world.domain('far.test')
    world.mx('slow.test', 'mx.far.test')
    const server = await world.server({
      providers: farWith('message_rate: 50/s') + 'domains: {slow.test: {message_rate: 2/s}}\n',
    })
    await world.send(server, 8, { to: ['bob@slow.test'] })
    await world.send(server, 30)
    await far.until(
      'the fast ones',
      () => far.messages.filter((one) => one.recipients[0] === 'bob@far.test').length === 30,
    )
    const slow = () => far.messages.filter((one) => one.recipients[0] === 'bob@slow.test')
    assert.ok(slow().length <= 5, `${slow().length} slow ones`)
    await world.settled(far)
    assert.ok(
      mostWithin(
        slow().map(({ at }) => at),
        1900,
      ) <= 4,
    )
  })

  it('holds for mail that waits as soon as the file is written', async () => {
    far = await world.domain('far.test')
    const server = await world.server({ providers: farWith('message_rate: 1/s') })
    await world.send(server, 60)
    await far.until('the second', () => far.messages.length === 2)
    writeFileSync(path.join(server.dir, 'config/sluice/providers.yaml'), farWith('message_rate: 20/s'))
    const writtenAt = Date.now()
    await world.settled(far)
    const tookMs = far.messages.at(-1)!.at - writtenAt
    assert.ok(tookMs > 2500 && tookMs < 9000, `${tookMs} ms`)
  })

  it('holds for mail that waits where it becomes that of a provider: both go at one rate', async () => {
    far = await world.domain('far.test')
    const plain = 'default: {message_rate: 1/s}\n'
    const server = await world.server({ providers: plain })
    await world.send(server, 40)
    await far.until('the second', () => far.messages.length === 2)
    writeFileSync(path.join(server.dir, 'config/sluice/providers.yaml'), farWith('message_rate: 10/s'))
    await far.until(
      'that it is faster',
      () =>
        mostWithin(
          far.messages.map(({ at }) => at),
          1000,
        ) >= 5,
    )
    await world.send(server, 20)
    await world.settled(far)
    const most = mostWithin(
      far.messages.map(({ at }) => at),
      2000,
    )
    assert.ok(most <= 23, `${most} within two seconds at 10/s`)
  })
})

describe('mail that waits, over a restart, end to end', function () {
  this.timeout(60_000)
  let world: MailWorld
  let far: SmtpSink

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  const options = { providers: farWith('message_rate: 5/s'), sluice: 'store: lmdb:data/sluice\n' }

  it('stays and goes on in order after an orderly stop, each message once', async () => {
    far = await world.domain('far.test')
    const server = await world.server({ ...options, graceful: true })
    await world.send(server, 20)
    await far.until('some', () => far.messages.length >= 4)
    await server.stop('SIGINT')
    const before = far.messages.length
    assert.ok(before < 18, `${before} went before it had stopped`)
    const again = await world.server({ ...options, graceful: true, dir: server.dir })
    await world.emptied(again, 20_000)
    assert.deepEqual(
      far.messages.map(({ id }) => id),
      world.sent,
    )
  })

  it('keeps its rate when the process is killed, and goes on soon though that held all connections', async () => {
    far = await world.domain('far.test')
    const few = { ...options, providers: farWith('message_rate: 5/s, connections: 2') }
    const server = await world.server(few)
    await world.send(server, 30)
    await far.until('some', () => far.messages.length >= 8)
    await server.stop('SIGKILL')
    const again = await world.server({ ...few, dir: server.dir })
    await world.emptied(again, 40_000)
    assert.equal(new Set(taken(far)).size, 30)
    const most = mostWithin(
      far.messages.map(({ at }) => at),
      2000,
    )
    assert.ok(most <= 12, `${most} within two seconds at 5/s`)
  })

  it('keeps the time at which it is tried again', async () => {
    const asked: number[] = []
    far = await world.domain('far.test', {
      misdeed: (verb) => {
        if (verb !== 'RCPT') return undefined
        return asked.push(Date.now()) === 1 ? '451 4.3.0 try again in 8 seconds' : undefined
      },
    })
    const server = await world.server(options)
    await world.send(server, 1)
    await server.waitForLog(/delivery=deferred/)
    await server.stop('SIGKILL')
    const again = await world.server({ ...options, dir: server.dir })
    await world.emptied(again, 20_000)
    const ms = asked[1]! - asked[0]!
    assert.ok(ms > 7900 && ms < 11_000, `${ms} ms`)
  })

  it('is found by sluice why, with what the host has answered', async () => {
    far = await world.domain('far.test', {
      misdeed: (verb) => (verb === 'RCPT' ? '451 4.7.28 Slow down, try again in 1 minute' : undefined),
    })
    const server = await world.server(options)
    await world.send(server, 1)
    await server.waitForLog(/delivery=deferred/)
    const [file] = world.queued(server)
    for (const asked of ['bob@far.test', 'far.test', 'ann@near.test', file!]) {
      // The log is written a moment after.
      const found = await eventually(async () => {
        const { stdout } = await sluice('why', asked, '--dir', server.dir)
        assert.match(stdout, /451 4\.7\.28 Slow down/)
        return stdout
      })
      assert.match(found, /mail for bob@far\.test was deferred/, asked)
      assert.match(found, /451 4\.7\.28 Slow down, try again in 1 minute \(to RCPT TO\)/, asked)
      assert.match(found, /egress\|default\|far \(provider far/, asked)
    }
  })
})

import assert from 'node:assert/strict'
import { OutboundScene, SERIAL, type SceneOptions, type SessionProfile, hurried } from '../support/outbound-scene'
import type { SinkOptions } from '../support/smtp-sink'

const OPPORTUNISTIC: SessionProfile['tls'] = { demand: 'opportunistic', minVersion: undefined }
const REQUIRED: SessionProfile['tls'] = { demand: 'required', minVersion: undefined }

describe('TLS of outbound sessions, end to end', function () {
  this.timeout(60_000)
  let scene: OutboundScene

  afterEach(() => scene.stop())

  async function start(sinks: readonly SinkOptions[], profile: Partial<SessionProfile>, more: SceneOptions = {}) {
    scene = await OutboundScene.start(sinks, { outbound: SERIAL, profile, ...more })
  }

  const broken: Record<string, [SinkOptions, RegExp, Partial<SessionProfile>?]> = {
    'the handshake is answered with noise': [{ starttls: 'broken' }, /TLS handshake: .*wrong version number/],
    'the handshake is answered with nothing': [
      { starttls: 'hang' },
      /TLS handshake: timed out at starttls/,
      hurried('starttlsMs', 300),
    ],
    'the host closes instead of a handshake': [{ starttls: 'close' }, /TLS handshake: the server closed/],
    'STARTTLS is refused for now': [
      { starttls: true, misdeed: (verb) => (verb === 'STARTTLS' ? '454 4.7.0 TLS not available' : undefined) },
      /STARTTLS was answered with 454 4\.7\.0 TLS not available/,
    ],
    'STARTTLS is refused for good': [
      { starttls: true, misdeed: (verb) => (verb === 'STARTTLS' ? '502 5.5.1 unknown' : undefined) },
      /STARTTLS was answered with 502 5\.5\.1 unknown/,
    ],
  }

  for (const [what, [sink, cause, profile]] of Object.entries(broken)) {
    it(`is done without at once, and for later messages, when ${what}`, async () => {
      await start([sink], { tls: OPPORTUNISTIC, sessions: 'off', ...profile })
      await scene.send(3)
      await scene.settled()
      assert.equal(scene.sink.count('STARTTLS'), 1)
      assert.equal(scene.sink.connections, 4)
      assert(scene.sink.messages.every(({ encrypted }) => !encrypted))
      assert.match(scene.haraka.log, /WARN.*127\.0\.0\.1 gets mail in the clear for an hour, its TLS is broken/)
      const [first] = await scene.attempts(3)
      assert.deepEqual(
        first!.hosts.map(({ end }) => end?.kind),
        ['failure', 'reply'],
      )
      const failure = first!.hosts[0]!.end
      assert(failure?.kind === 'failure' && failure.failure === 'tls')
      assert.match(failure.text, cause)
      assert.deepEqual([first!.cause, first!.outcome.delivered], [undefined, 1])
    })

    it(`defers, never in the clear, when it is required and ${what}`, async () => {
      await start([sink], { tls: REQUIRED, ...profile })
      await scene.send(1)
      const [first] = await scene.attempts(1)
      assert.deepEqual(first!.outcome, { delivered: 0, deferred: 1, bounced: 0 })
      assert.match(first!.cause!, cause)
      assert.equal(scene.sink.count('MAIL'), 0)
      assert.equal(scene.queued().length, 1)
      assert.match(scene.haraka.log, /Temp failing/)
      assert.doesNotMatch(scene.haraka.log, /bouncing|in the clear/)
      await scene.closed()
    })
  }

  it('is made when it is required, and the host proves who it is', async () => {
    await start([{ starttls: true }], { tls: REQUIRED }, { trustsSinks: true })
    await scene.send(2)
    await scene.settled()
    assert.equal(scene.sink.handshakes, 1)
    assert(scene.sink.messages.every(({ encrypted }) => encrypted))
    const attempts = await scene.attempts(2)
    for (const { hosts } of attempts) {
      assert.equal(hosts[0]!.host, 'sink.test')
      assert.equal(hosts[0]!.tls?.version, 'TLSv1.3')
      assert.equal(hosts[0]!.tls?.verified, true)
    }
    assert.deepEqual(
      attempts.map(({ hosts }) => hosts[0]!.session),
      ['new', 'reused'],
    )
  })

  it('defers when it is required and the host proves nothing', async () => {
    await start([{ starttls: true }], { tls: REQUIRED })
    await scene.send(1)
    const [first] = await scene.attempts(1)
    assert.match(first!.cause!, /TLS handshake: self-signed certificate/)
    assert.equal(scene.sink.count('MAIL'), 0)
    assert.equal(first!.outcome.deferred, 1)
  })

  for (const [what, sink] of Object.entries<SinkOptions>({
    'the host has none': {},
    'EHLO is refused': { misdeed: (verb) => (verb === 'EHLO' ? '502 5.5.1 unknown' : undefined) },
  })) {
    it(`defers when it is required and ${what}`, async () => {
      await start([sink], { tls: REQUIRED })
      await scene.send(1)
      const [first] = await scene.attempts(1)
      assert.match(first!.cause!, /the host offers no TLS|EHLO was answered with 502 5\.5\.1 unknown/)
      assert.equal(first!.outcome.deferred, 1)
      assert.equal(scene.sink.count('MAIL'), 0)
    })
  }

  it('is found at another host when it is required and the best ones have none, or have it broken', async () => {
    await start([{ starttls: 'broken' }, {}, { starttls: true }], { tls: REQUIRED }, { trustsSinks: true })
    await scene.send(1)
    const [first] = await scene.attempts(1)
    assert.equal(first!.outcome.delivered, 1)
    assert.deepEqual(
      first!.hosts.map(({ port }) => port),
      scene.sinks.map(({ port }) => port),
    )
    assert.equal(scene.sinks[2]!.messages[0]!.encrypted, true)
  })

  for (const [what, line, sink] of [
    ['it is forced for', 'force_tls_hosts[]=far.test', { starttls: 'broken' }],
    ['must prove who they are', 'rejectUnauthorized=true', { starttls: true }],
  ] as [string, string, SinkOptions][]) {
    it(`is demanded of hosts that in Haraka's own config ${what}`, async () => {
      await start([sink], { tls: OPPORTUNISTIC }, { files: { 'tls.ini': `[outbound]\n${line}\n` } })
      await scene.send(1)
      const [first] = await scene.attempts(1)
      assert.equal(first!.outcome.deferred, 1)
      assert.equal(scene.sink.count('STARTTLS'), 1)
      assert.equal(scene.sink.count('MAIL'), 0)
    })
  }

  it('is no older than the path takes', async () => {
    const old: SinkOptions = { starttls: true, tlsVersion: 'TLSv1.2' }
    await start([old], { tls: { demand: 'opportunistic', minVersion: 'TLSv1.2' } })
    await scene.send(1)
    const [fine] = await scene.attempts(1)
    assert.equal(fine!.hosts[0]!.tls?.version, 'TLSv1.2')
    await scene.stop()
    await start([old], { tls: { demand: 'required', minVersion: 'TLSv1.3' } }, { trustsSinks: true })
    await scene.send(1)
    const [first] = await scene.attempts(1)
    assert.match(first!.cause!, /TLS handshake: .*protocol version/)
    assert.equal(first!.outcome.deferred, 1)
    assert.equal(scene.sink.count('MAIL'), 0)
  })
})

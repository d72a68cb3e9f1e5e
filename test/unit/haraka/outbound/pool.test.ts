import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import net from 'node:net'
import { Attempt, tellCause } from '../../../../src/egress/attempt'
import type { Facade } from '../../../../src/haraka/outbound/facade'
import type { SessionDemands } from '../../../../src/haraka/outbound/demands'
import { SessionPools } from '../../../../src/haraka/outbound/pool'
import type { SessionRequest } from '../../../../src/haraka/outbound/request'
import type { Timeouts } from '../../../../src/haraka/outbound/timeouts'
import type { TlsSocketModule } from '../../../../src/haraka/outbound/types'
import { type SinkOptions, SmtpSink } from '../../../support/smtp-sink'
import { DEMANDS } from './fixtures'

const PLAIN: TlsSocketModule = {
  connect: (options) =>
    Object.assign(net.connect(options as net.NetConnectOpts), {
      upgrade: () => assert.fail('no TLS here'),
      isEncrypted: () => false,
      isSecure: () => false,
    }),
}

type Socket = EventEmitter & { write(data: string | Buffer): boolean }

/** When a socket has said 220. */
const greetings = new WeakMap<Socket, Promise<unknown>>()

describe('the pool of outbound sessions', () => {
  let sink: SmtpSink
  let pools: SessionPools
  let demands: SessionDemands
  let retries: number
  /** Paths of which a connection was gone or idle. */
  let changes: string[]
  let attempt: Attempt

  afterEach(async () => {
    pools.close()
    await sink.until('all closed', () => sink.open === 0)
    assert.equal(pools.parked, 0)
    await sink.stop()
  })

  async function open(
    asked: Partial<SessionDemands> = {},
    options: SinkOptions = {},
    timeouts: Partial<Timeouts> = {},
  ): Promise<void> {
    retries = 0
    changes = []
    sink = await SmtpSink.start(options)
    pools = new SessionPools(PLAIN, (path) => changes.push(path))
    demands = { ...DEMANDS, ...asked, timeouts: { ...DEMANDS.timeouts, ...timeouts } }
  }

  function take(of: Partial<SessionRequest> = {}): Promise<Socket> {
    attempt = new Attempt(['bob@far.test'])
    return new Promise((resolve, reject) =>
      pools.take({
        mx: { exchange: '127.0.0.1', port: sink.port, bind_helo: 'near.test' },
        demands,
        forceTls: false,
        fresh: false,
        attempt,
        recipients: [{}],
        sizeBytes: undefined,
        hasOthers: () => false,
        mayConnect: () => undefined,
        retry: () => retries++,
        callback: (error, socket) => {
          if (!socket) return reject(new Error(error!))
          // A session in use greets at once.
          const greeted = once(socket, 'line')
          greeted.catch(() => undefined)
          greetings.set(socket as Socket, greeted)
          resolve(socket as Socket)
        },
        ...of,
      }),
    )
  }

  const cause = () => attempt.lastCause && tellCause(attempt.lastCause)

  async function say(socket: Socket, command: string): Promise<string> {
    const reply = once(socket, 'line')
    socket.write(`${command}\r\n`)
    return String((await reply)[0])
  }

  /** As Haraka does it, up to the answer to the final dot; EHLO has two lines. */
  async function deliver(socket: Socket): Promise<string> {
    await greetings.get(socket)
    await say(socket, 'EHLO near.test')
    await say(socket, 'MAIL FROM:<ann@near.test>')
    await say(socket, 'RCPT TO:<bob@far.test>')
    await say(socket, 'DATA')
    socket.write(Buffer.from('Message-Id: <1@near.test>\r\n\r\nhello\r\n'))
    return say(socket, '.')
  }

  it('dials when it may, and takes a session that is free before', async () => {
    await open()
    const first = await take()
    const leaves: (() => void)[] = []
    const mayConnect = () => new Promise<void>((resolve) => leaves.push(resolve))
    const waiting = [take({ mayConnect }), take({ mayConnect })]
    await deliver(first)
    assert.equal(sink.connections, 1)
    first.write('QUIT\r\n')
    const second = await waiting[0]!
    await deliver(second)
    assert.deepEqual([sink.connections, leaves.length], [1, 2])
    for (const leave of leaves) leave()
    const third = await waiting[1]!
    await deliver(third)
    assert.equal(sink.connections, 2)
    for (const socket of [second, third]) socket.write('QUIT\r\n')
    assert.equal(pools.parked, 2)
  })

  it('goes on to another host when it may not dial', async () => {
    await open()
    await assert.rejects(
      take({ mayConnect: () => Promise.reject(new Error('no connection before 12:00')) }),
      /no connection before 12:00/,
    )
    assert.equal(cause(), '127.0.0.1: no connection before 12:00 (at connect)')
    assert.equal(sink.connections, 0)
  })

  it('gives a delivery no session that has carried as much as it lets one carry', async () => {
    await open({ messages: 3 })
    for (let message = 0; message < 2; message++) {
      const socket = await take()
      await deliver(socket)
      socket.write('QUIT\r\n')
    }
    assert.deepEqual([sink.connections, pools.parked], [1, 1])
    const own = await take({ demands: { ...demands, messages: 1 } })
    await deliver(own)
    own.write('QUIT\r\n')
    await sink.until('the own one closed', () => sink.open === 1)
    assert.deepEqual([sink.connections, pools.parked], [2, 1])
    const last = await take()
    await deliver(last)
    last.write('QUIT\r\n')
    assert.equal(pools.parked, 0)
  })

  it('lets a session wait as long as the last delivery says', async () => {
    await open()
    const socket = await take({ demands: { ...demands, idleMs: 20 } })
    await deliver(socket)
    socket.write('QUIT\r\n')
    await sink.until('closed', () => sink.open === 0)
    assert.equal(sink.count('QUIT'), 1)
  })

  for (const [verb, phase] of Object.entries({
    CONNECT: 'greeting',
    EHLO: 'hello',
    MAIL: 'mail',
    RCPT: 'rcpt',
    DATA: 'data',
    DOT: 'dot',
  }) as [string, keyof Timeouts][]) {
    it(`gives up at ${phase} when the host has had its time for it, and not before`, async () => {
      await open({}, { misdeed: (asked) => (asked === verb ? 'hang' : undefined) }, { [phase]: 50 })
      const socket = await take()
      const failed = once(socket, 'error').then(([error]) => String(error))
      // once() rejects for the error that is expected here.
      void deliver(socket).catch(() => undefined)
      assert.equal(await failed, `Error: timed out at ${phase}`)
      assert.equal(cause(), `127.0.0.1: timed out at ${phase} (at ${phase})`)
      await sink.until('all closed', () => sink.open === 0)
      assert.equal(retries, 0)
    })
  }

  it('ends a session that is given back in the middle of a message', async () => {
    await open()
    const socket = await take()
    await greetings.get(socket)
    await say(socket, 'EHLO near.test')
    await say(socket, 'MAIL FROM:<ann@near.test>')
    await say(socket, 'RCPT TO:<bob@far.test>')
    await say(socket, 'DATA')
    socket.write(Buffer.from('half a mess'))
    socket.write('QUIT\r\n')
    await sink.until('all closed', () => sink.open === 0)
    assert.equal(sink.messages.length, 0)
    assert.equal(pools.parked, 0)
  })

  it('retries for a session in use that closes before the message, and says so to nobody', async () => {
    await open({}, { misdeed: (verb, { taken }) => (verb === 'RCPT' && taken > 0 ? 'close' : undefined) })
    const first = await take()
    await deliver(first)
    first.write('QUIT\r\n')
    const second = await take()
    let told = 0
    for (const event of ['error', 'close', 'end']) second.on(event, () => told++)
    void deliver(second)
    await sink.until('all closed', () => sink.open === 0)
    assert.deepEqual([retries, told], [1, 0])
    assert.deepEqual(
      attempt.hosts.map(({ session, end }) => [session, end?.kind]),
      [['reused', 'replaced']],
    )
    assert.equal(cause(), undefined)
  })

  it('tells of a new session that closes', async () => {
    await open({}, { misdeed: (verb) => (verb === 'RCPT' ? 'close' : undefined) })
    const socket = await take()
    const closed = once(socket, 'close')
    void deliver(socket).catch(() => undefined)
    await closed
    assert.equal(retries, 0)
  })

  it('ends a session that speaks unasked while it waits', async () => {
    await open({}, { misdeed: (verb) => (verb === 'TAKEN' ? '421 enough' : undefined) })
    const socket = await take()
    await deliver(socket)
    socket.write('QUIT\r\n')
    await sink.until('all closed', () => sink.open === 0)
    const second = await take()
    await deliver(second)
    second.write('QUIT\r\n')
    assert.equal(sink.connections, 2)
  })

  it('notes what was said and how long it took', async () => {
    await open()
    for (const session of ['new', 'reused']) {
      const socket = await take()
      await deliver(socket)
      socket.write('QUIT\r\n')
      const [host] = attempt.hosts
      assert.equal(host!.session, session)
      const phases = ['mail', 'rcpt', 'data', 'block', 'dot']
      assert.deepEqual(
        Object.keys(host!.phasesMs),
        session === 'new' ? ['connect', 'greeting', 'hello', ...phases] : phases,
      )
      assert.deepEqual(attempt.outcome, { delivered: 1, deferred: 0, bounced: 0 })
    }
  })

  it('takes what is no reply for the end of the session, not of the message', async () => {
    await open({}, { misdeed: (verb) => (verb === 'MAIL' ? 'noise' : undefined) })
    const socket = await take()
    const failed = once(socket, 'error')
    void deliver(socket).catch(() => undefined)
    assert.match(String(await failed), /no SMTP reply: what is this\?/)
    assert.equal(cause(), '127.0.0.1: no SMTP reply: what is this? (at mail)')
  })

  it('tells Haraka of a recipient that is forwarded as of any other', async () => {
    await open({}, { misdeed: (verb) => (verb === 'RCPT' ? '251 2.1.5 will forward' : undefined) })
    const socket = await take()
    await greetings.get(socket)
    await say(socket, 'EHLO near.test')
    await say(socket, 'MAIL FROM:<ann@near.test>')
    assert.equal(await say(socket, 'RCPT TO:<bob@far.test>'), '250 2.1.5 will forward')
    assert.equal(attempt.recipients[0]!.reply?.code, 251)
    socket.write('QUIT\r\n')
  })

  it('does not offer a message that is larger than the host takes', async () => {
    await open({}, { misdeed: (verb) => (verb === 'EHLO' ? '250-sink.test\r\n250 SIZE 1000' : undefined) })
    for (const [sizeBytes, told] of [
      [1005, '250 fine'],
      [1011, '552 5.3.4 Not sent: 1011 bytes, and the host takes 1000'],
    ] as const) {
      const socket = await take({ sizeBytes })
      await greetings.get(socket)
      await say(socket, 'EHLO near.test')
      assert.equal(await say(socket, 'MAIL FROM:<ann@near.test>'), told)
      socket.write('QUIT\r\n')
    }
    assert.equal(sink.count('MAIL'), 1)
    assert.equal(attempt.outcome.bounced, 1)
  })

  it('says what Haraka knows when nobody listens', async () => {
    await open()
    const gone = await SmtpSink.start()
    const { port } = gone
    await gone.stop()
    await assert.rejects(take({ mx: { exchange: '127.0.0.1', port } }), /connect ECONNREFUSED/)
    const [host] = attempt.hosts
    assert.deepEqual(host, {
      ...{ host: '127.0.0.1', ip: '127.0.0.1', port, session: 'new', tls: undefined, phasesMs: {} },
      end: {
        kind: 'failure',
        phase: 'connect',
        failure: 'refused',
        text: `connect ECONNREFUSED 127.0.0.1:${port}`,
      },
    })
  })

  it('counts the connections of each path, and closes the one that has waited longest when asked', async () => {
    await open()
    assert.equal(pools.connectionsOf(demands.path), 0)
    const [one, two] = [await take(), await take()]
    assert.equal(pools.connectionsOf(demands.path), 2)
    assert.equal(pools.connectionsOf('egress|default|other'), 0)
    pools.closeIdle(demands.path)
    assert.equal(pools.connectionsOf(demands.path), 2, 'none is idle')
    for (const socket of [one, two]) (socket as unknown as Facade).end()
    await sink.until('both closed', () => sink.open === 0)
    while (pools.connectionsOf(demands.path) > 0) await new Promise(setImmediate)
    assert.deepEqual(changes, [demands.path, demands.path])
  })
})

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import net from 'node:net'
import { type SessionLimits, SessionPools } from '../../../../src/haraka/outbound/pool'
import { TIMEOUTS, type Timeouts } from '../../../../src/haraka/outbound/timeouts'
import type { TlsSocketModule } from '../../../../src/haraka/outbound/types'
import { type SinkOptions, SmtpSink } from '../../../support/smtp-sink'

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
  let retries: number

  afterEach(async () => {
    pools.close()
    await sink.until('all closed', () => sink.open === 0)
    assert.equal(pools.parked, 0)
    await sink.stop()
  })

  async function open(
    limits: Partial<SessionLimits> = {},
    options: SinkOptions = {},
    timeouts: Partial<Timeouts> = {},
  ) {
    retries = 0
    sink = await SmtpSink.start(options)
    pools = new SessionPools(PLAIN, { messages: 50, idleMs: 60_000, ...limits }, { ...TIMEOUTS, ...timeouts })
  }

  function take(fresh = false): Promise<Socket> {
    return new Promise((resolve, reject) =>
      pools.take({
        mx: { exchange: '127.0.0.1', port: sink.port, bind_helo: 'near.test' },
        forceTls: false,
        fresh,
        retry: () => retries++,
        callback: (error, socket) => {
          if (!socket) return reject(new Error(error!))
          // A session in use greets at once.
          const greeted = once(socket, 'line')
          greeted.catch(() => undefined)
          greetings.set(socket as Socket, greeted)
          resolve(socket as Socket)
        },
      }),
    )
  }

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

  it('has no more connections than it may, and serves in order who waits', async () => {
    await open({ sessions: 2 })
    const sockets = [await take(), await take()]
    const order: number[] = []
    const waiting = [3, 4, 5].map(async (number) => {
      const socket = await take()
      order.push(number)
      await deliver(socket)
      socket.write('QUIT\r\n')
    })
    for (const socket of sockets) {
      await deliver(socket)
      socket.write('QUIT\r\n')
    }
    await Promise.all(waiting)
    assert.equal(sink.connections, 2)
    assert.equal(sink.messages.length, 5)
    assert.deepEqual(order, [3, 4, 5])
    assert.equal(pools.parked, 2)
  })

  it('makes room for a new session when none may be opened', async () => {
    await open({ sessions: 1 })
    const first = await take()
    await deliver(first)
    first.write('QUIT\r\n')
    const second = await take(true)
    await deliver(second)
    second.write('QUIT\r\n')
    await sink.until('both closed but one', () => sink.open === 1)
    assert.equal(sink.connections, 2)
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

  it('says what Haraka knows when nobody listens', async () => {
    await open()
    const { port } = sink
    await sink.stop()
    const failed = new Promise((resolve) =>
      pools.take({
        mx: { exchange: '127.0.0.1', port },
        forceTls: false,
        fresh: false,
        retry: undefined,
        callback: resolve,
      }),
    )
    assert.match(String(await failed), /connect ECONNREFUSED/)
    sink = await SmtpSink.start()
  })
})

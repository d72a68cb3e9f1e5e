/**
 * A load generator: SMTP over raw sockets, one process of its own so that it does not share the server's event loop.
 * Talks to its parent over IPC: `{port, messages, perConnection, parallel, from}` in, `{seconds, sent, refused, p50, p99}` out.
 */
import net from 'node:net'

export interface LoadOrder {
  readonly port: number
  readonly messages: number
  /** 0: greet and leave, with QUIT as soon as the server has greeted. */
  readonly perConnection: number
  readonly parallel: number
  /** Addresses to come from, in turn: of the loopback, or any, which the server then hears of in the PROXY protocol. */
  readonly from: readonly string[]
  /** They are all addresses of this host, as in a network of its own: no proxy. */
  readonly direct?: boolean
  /** Each client writes in the name of so many senders, each to one recipient. Without: any of 5000 to any of 1000. */
  readonly senders?: number
  /** Every sender of every client writes once, one message a connection; else they are chosen at random. */
  readonly inTurn?: boolean
}

/**
 * The test servers believe these addresses when they say for whom they speak (test/support/haraka.ts, haproxy). There are
 * many, since a closed connection keeps its port for a minute and the search for a free one would be what is measured.
 */
function proxyFor(connection: number): string {
  return `127.2.0.${(connection % 200) + 1}`
}

export interface LoadResult {
  readonly seconds: number
  readonly sent: number
  readonly refused: number
  /** Milliseconds from the start of a connection (or of MAIL, when it is reused) to the final reply, or to a 421 at once. */
  readonly p50: number
  readonly p99: number
}

const BODY =
  `Subject: bench\r\nFrom: a@example.com\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(1000, 'hello world ') + '\r\n.\r\n'

/** Sends all messages of an order. */
export async function runLoad(order: LoadOrder): Promise<LoadResult> {
  const state = { left: order.messages, sent: 0, refused: 0, opened: 0, times: [] as number[] }
  const started = performance.now()
  await Promise.all(Array.from({ length: order.parallel }, () => worker(order, state)))
  const seconds = (performance.now() - started) / 1000
  state.times.sort((a, b) => a - b)
  const at = (share: number) =>
    state.times[Math.min(state.times.length - 1, Math.floor(state.times.length * share))] ?? 0
  return { seconds, sent: state.sent, refused: state.refused, p50: at(0.5), p99: at(0.99) }
}

type State = { left: number; sent: number; refused: number; opened: number; times: number[] }

async function worker(order: LoadOrder, state: State): Promise<void> {
  while (state.left > 0) await session(order, state)
}

/** Envelope of a message of the client with this number, on its connection with this number. */
function envelope({ senders, inTurn, from }: LoadOrder, client: number, connection: number): [string, string] {
  if (senders === undefined) return [senderOf(anyOf(5000)), `user${anyOf(1000)}@local.test`]
  const sender = client * senders + (inTurn ? Math.floor(connection / from.length) % senders : anyOf(senders))
  return [senderOf(sender), `user${sender % 1000}@local.test`]
}

function senderOf(number: number): string {
  return `sender${number}@domain${number % 500}.example`
}

function anyOf(count: number): number {
  return Math.floor(Math.random() * count)
}

/** One connection: a reply leads to the next command, without promises, so that the generator stays cheap. */
function session(order: LoadOrder, state: State): Promise<void> {
  const { port, perConnection, from } = order
  return new Promise((resolve) => {
    const connection = state.opened++
    const client = connection % from.length
    const address = from[client]!
    const proxied = !(order.direct || address.startsWith('127.'))
    const socket = net.connect({ port, host: '127.0.0.1', localAddress: proxied ? proxyFor(connection) : address })
    socket.setNoDelay(true)
    if (proxied) socket.write(`PROXY TCP4 ${address} ${address} 40000 25\r\n`)
    let recipient = ''
    let step = 0
    let mine = 0
    let begun = performance.now()
    let pending = ''
    const nextMessage = (): boolean => {
      if (mine === perConnection || state.left <= 0) return false
      mine++
      state.left--
      return true
    }
    const say = (text: string) => socket.write(text)
    const end = () => {
      step = 9
      // Closing first keeps TIME_WAIT on this side, where no new connection can be mistaken for an old one.
      socket.end('QUIT\r\n')
    }
    const refused = () => {
      state.refused++
      end()
    }
    const leave = () => {
      state.sent++
      state.left--
      state.times.push(performance.now() - begun)
      end()
    }
    /** The message that it came for counts as tried. The server closes by itself: nobody says QUIT to a 421. */
    const turnedAway = () => {
      state.refused++
      state.left--
      state.times.push(performance.now() - begun)
      step = 9
      socket.end()
    }
    const mail = () => {
      const [from, to] = envelope(order, client, connection)
      recipient = to
      step = 2
      say(`MAIL FROM:<${from}>\r\n`)
    }
    const take = (code: number) => {
      if (step === 9) return
      if (step === 0) {
        step = 1
        if (code !== 220) return turnedAway()
        return perConnection === 0 ? leave() : say('EHLO bench.example\r\n')
      }
      if (step === 1) return nextMessage() ? mail() : end()
      if (step === 2) {
        step = 3
        return code === 250 ? say(`RCPT TO:<${recipient}>\r\n`) : refused()
      }
      if (step === 3) {
        step = 4
        return code === 250 ? say('DATA\r\n') : refused()
      }
      if (step === 4) {
        step = 5
        return code === 354 ? say(BODY) : refused()
      }
      if (code !== 250) return refused()
      state.sent++
      state.times.push(performance.now() - begun)
      if (!nextMessage()) return end()
      begun = performance.now()
      mail()
    }
    socket.on('data', (bytes) => {
      pending += bytes.toString('latin1')
      let line: number
      while ((line = pending.indexOf('\n')) >= 0) {
        const text = pending.slice(0, line)
        pending = pending.slice(line + 1)
        if (text[3] !== '-') take(Number(text.slice(0, 3)))
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
  })
}

if (process.send) {
  process.on('message', (order: LoadOrder) => {
    void runLoad(order).then((result) => process.send!(result))
  })
}

/**
 * A load generator: SMTP over raw sockets, one process of its own so that it does not share the server's event loop.
 * Talks to its parent over IPC: `{port, messages, perConnection, parallel, from}` in, `{seconds, sent, refused, p50, p99}` out.
 */
import net from 'node:net'

export interface LoadOrder {
  readonly port: number
  readonly messages: number
  readonly perConnection: number
  readonly parallel: number
  /** Loopback addresses to come from, in turn. */
  readonly from: readonly string[]
}

export interface LoadResult {
  readonly seconds: number
  readonly sent: number
  readonly refused: number
  /** Milliseconds from the start of a connection (or of MAIL, when it is reused) to the final reply. */
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

/** One connection: a reply leads to the next command, without promises, so that the generator stays cheap. */
function session({ port, perConnection, from }: LoadOrder, state: State): Promise<void> {
  return new Promise((resolve) => {
    const localAddress = from[state.opened++ % from.length]!
    const socket = net.connect({ port, host: '127.0.0.1', localAddress })
    socket.setNoDelay(true)
    let step = 0
    let mine = 0
    let begun = performance.now()
    let pending = ''
    const nextMessage = (): boolean => {
      if (mine === perConnection || state.left === 0) return false
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
      // Turned away at the door: the message that it came for counts as tried.
      if (mine === 0) state.left--
      end()
    }
    const mail = () => {
      const n = Math.floor(Math.random() * 5000)
      step = 2
      say(`MAIL FROM:<sender${n}@domain${n % 500}.example>\r\n`)
    }
    const take = (code: number) => {
      if (step === 9) return
      if (step === 0) {
        step = 1
        return code === 220 ? say('EHLO bench.example\r\n') : refused()
      }
      if (step === 1) return nextMessage() ? mail() : end()
      if (step === 2) {
        step = 3
        return code === 250 ? say(`RCPT TO:<user${Math.floor(Math.random() * 1000)}@local.test>\r\n`) : refused()
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

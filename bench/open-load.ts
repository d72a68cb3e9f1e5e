/**
 * A load generator with open arrivals: clients come at their own times, whatever the server makes of those before, so
 * that waiting shows. One message a connection. A process of its own; over IPC: an {@link Arrivals} in, an
 * {@link ArrivalsResult} out.
 */
import net from 'node:net'

export interface Arrivals {
  readonly port: number
  readonly perSecond: number
  readonly seconds: number
  /** Loopback addresses to come from, in turn. */
  readonly from: readonly string[]
}

export interface Arrival {
  /** Milliseconds since the first was due. */
  readonly dueMs: number
  /** From when it was due until the last reply. */
  readonly tookMs: number
  readonly end: 'taken' | 'deferred' | 'lost'
}

export interface ArrivalsResult {
  readonly arrivals: readonly Arrival[]
}

/** Clients under way at a time; those beyond are lost, as they would be for want of sockets. */
const MOST_OPEN = 4000
const PATIENCE_MS = 15_000
const BODY =
  `Subject: bench\r\nFrom: a@example.com\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(1000, 'hello world ') + '\r\n.\r\n'

/** Sends all of it; arrivals are a Poisson process. */
export function runArrivals(order: Arrivals): Promise<ArrivalsResult> {
  return new Promise((resolve) => {
    const arrivals: Arrival[] = []
    const started = performance.now()
    const endMs = order.seconds * 1000
    let [dueMs, come, open] = [0, 0, 0]
    const finish = () => {
      if (dueMs >= endMs && open === 0) resolve({ arrivals })
    }
    const arrive = (due: number) => {
      const ended = (end: Arrival['end']) => {
        open--
        arrivals.push({ dueMs: due, tookMs: performance.now() - started - due, end })
        finish()
      }
      open++
      if (open > MOST_OPEN) ended('lost')
      else send(order.port, order.from[come++ % order.from.length]!, ended)
    }
    const tick = () => {
      const now = performance.now() - started
      while (dueMs <= now && dueMs < endMs) {
        arrive(dueMs)
        dueMs += (-Math.log(1 - Math.random()) * 1000) / order.perSecond
      }
      if (dueMs >= endMs) return finish()
      setTimeout(tick, Math.max(0, dueMs - now))
    }
    tick()
  })
}

const COMMANDS = (n: number) => [
  'EHLO bench.example\r\n',
  `MAIL FROM:<sender${n}@domain${n % 500}.example>\r\n`,
  `RCPT TO:<user${n % 1000}@local.test>\r\n`,
  'DATA\r\n',
  BODY,
]
const WANTED = [220, 250, 250, 250, 354, 250]

function send(port: number, localAddress: string, ended: (end: Arrival['end']) => void): void {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress })
  socket.setNoDelay(true)
  const commands = COMMANDS(Math.floor(Math.random() * 5000))
  let [step, pending, over] = [0, '', false]
  const end = (how: Arrival['end']) => {
    if (over) return
    over = true
    clearTimeout(patience)
    ended(how)
    // Closing first keeps TIME_WAIT on this side, where no new connection can be mistaken for an old one.
    if (how === 'lost') socket.destroy()
    else socket.end('QUIT\r\n')
  }
  const patience = setTimeout(() => end('lost'), PATIENCE_MS)
  socket.on('data', (bytes) => {
    pending += bytes.toString('latin1')
    let line: number
    while (!over && (line = pending.indexOf('\n')) >= 0) {
      const text = pending.slice(0, line)
      pending = pending.slice(line + 1)
      if (text[3] === '-') continue
      if (Number(text.slice(0, 3)) !== WANTED[step]) return end(text.startsWith('4') ? 'deferred' : 'lost')
      const command = commands[step++]
      if (command === undefined) return end('taken')
      socket.write(command)
    }
  })
  socket.on('error', () => end('lost'))
  socket.on('close', () => end('lost'))
}

if (process.send) {
  process.on('message', (order: Arrivals) => {
    void runArrivals(order).then((result) => process.send!(result))
  })
}

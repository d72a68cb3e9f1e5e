/**
 * Where the mail of the egress benches goes: a server that takes everything, in a process of its own so that it does not
 * share the event loop of whoever sends. It offers PIPELINING, as most do: who uses it is not kept from it.
 * Talks to its parent over IPC: `SinkOrder` in, `SinkAnswer` out, one answer for each order.
 */
import net from 'node:net'
import tls from 'node:tls'
import { selfSigned } from '../test/support/certificate'

export interface SinkOptions {
  readonly starttls?: boolean
  /** Each reply leaves so much later, as over a long line. */
  readonly replyMs?: number
  /** The TLS handshake is answered so much later. */
  readonly handshakeMs?: number
}

export type SinkOrder =
  | ({ readonly op: 'open' } & SinkOptions)
  /** Answered when so many messages were taken since the last such answer, with what was seen since then. */
  | { readonly op: 'take'; readonly messages: number }
  /** What was seen so far, at once; it is forgotten. */
  | { readonly op: 'look' }

/** Times are milliseconds since 1970, with fractions. */
export interface Seen {
  /** When MAIL came, of each message. */
  readonly begun: number[]
  /** When the end of each message came. */
  readonly taken: number[]
  readonly connections: number
  readonly handshakes: number
  /** Connections at a time. */
  readonly mostOpen: number
  /** Of them, those with a message under way. */
  readonly mostBusy: number
  /** User and system time of this process. */
  readonly cpuSeconds: number
}

export type SinkAnswer = { readonly port: number } | Seen

const CERTIFICATE = selfSigned('sink.test')
const now = () => performance.timeOrigin + performance.now()

let options: SinkOptions = {}
let open = 0
let busy = 0
let seen = nothingSeen()
let cpu = process.cpuUsage()
let wanted: number | undefined

function nothingSeen() {
  return { begun: [] as number[], taken: [] as number[], connections: 0, handshakes: 0, mostOpen: open, mostBusy: busy }
}

function tell(): void {
  const { user, system } = process.cpuUsage(cpu)
  const answer: Seen = { ...seen, cpuSeconds: (user + system) / 1e6 }
  seen = nothingSeen()
  cpu = process.cpuUsage()
  process.send!(answer)
}

function tellIfTaken(): void {
  if (wanted === undefined || seen.taken.length < wanted) return
  wanted = undefined
  tell()
}

/** One connection. */
class Session {
  private received = ''
  private inBody = false
  private isBusy = false
  private isEncrypted = false

  constructor(private socket: net.Socket) {
    socket.setNoDelay(true)
    seen.connections++
    seen.mostOpen = Math.max(seen.mostOpen, ++open)
    socket.on('close', () => {
      open--
      this.rest()
    })
    this.listen()
    this.say('220 sink.test ESMTP\r\n')
  }

  private listen(): void {
    const { socket } = this
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1')
      while (this.received !== '' && (this.inBody ? this.readBody() : this.readCommand()));
    })
  }

  /** Replies keep their order: all wait for the same time. */
  private say(text: string, then?: () => void): void {
    const { socket } = this
    const write = () => {
      if (!socket.writable) return
      socket.write(text)
      then?.()
    }
    if (options.replyMs) setTimeout(write, options.replyMs)
    else write()
  }

  private readCommand(): boolean {
    const end = this.received.indexOf('\r\n')
    if (end < 0) return false
    const verb = this.received.slice(0, 4).toUpperCase()
    this.received = this.received.slice(end + 2)
    switch (verb) {
      case 'EHLO':
        this.say(
          `250-sink.test\r\n${options.starttls && !this.isEncrypted ? '250-STARTTLS\r\n' : ''}250-PIPELINING\r\n250 8BITMIME\r\n`,
        )
        break
      case 'MAIL':
        seen.begun.push(now())
        this.begin()
        this.say('250 fine\r\n')
        break
      case 'DATA':
        this.inBody = true
        this.say('354 go on\r\n')
        break
      case 'QUIT':
        this.say('221 bye\r\n', () => this.socket.end())
        break
      case 'STAR':
        this.encrypt()
        return false
      default:
        this.say('250 fine\r\n')
    }
    return true
  }

  private readBody(): boolean {
    const end = this.received.indexOf('\r\n.\r\n')
    if (end < 0) return false
    this.received = this.received.slice(end + 5)
    this.inBody = false
    seen.taken.push(now())
    this.say('250 taken\r\n')
    this.rest()
    tellIfTaken()
    return true
  }

  private begin(): void {
    if (this.isBusy) return
    this.isBusy = true
    seen.mostBusy = Math.max(seen.mostBusy, ++busy)
  }

  private rest(): void {
    if (!this.isBusy) return
    this.isBusy = false
    busy--
  }

  private encrypt(): void {
    const plain = this.socket
    plain.removeAllListeners('data')
    plain.pause()
    this.say('220 go on\r\n', () => setTimeout(() => this.shakeHands(plain), options.handshakeMs ?? 0))
  }

  private shakeHands(plain: net.Socket): void {
    const secure = new tls.TLSSocket(plain, { isServer: true, ...CERTIFICATE })
    secure.once('secure', () => {
      seen.handshakes++
      this.isEncrypted = true
    })
    this.socket = secure
    this.listen()
  }
}

function listen(): void {
  const server = net.createServer({ noDelay: true }, (socket) => new Session(socket))
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
    process.send!({ port: (server.address() as net.AddressInfo).port })
  })
}

process.on('message', (order: SinkOrder) => {
  if (order.op === 'look') return tell()
  if (order.op === 'take') {
    wanted = order.messages
    return tellIfTaken()
  }
  options = order
  listen()
})
process.on('disconnect', () => process.exit())

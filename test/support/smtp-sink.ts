import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import tls from 'node:tls'
import { selfSigned } from './certificate'

/**
 * What the sink does in place of its usual answer: a reply, or no answer, or the end of the connection. `lose`, at DOT: the
 * message is taken, and the connection breaks before the answer.
 */
export type Misdeed =
  `${number} ${string}` | `${number}-${string}` | 'noise' | 'hang' | 'close' | 'reset' | 'lose' | undefined

export interface SinkOptions {
  /** Offers STARTTLS; `broken` answers the handshake with noise, others with nothing, or the end of the connection. */
  readonly starttls?: boolean | 'broken' | 'hang' | 'close'
  /** The highest version that it speaks. */
  readonly tlsVersion?: tls.SecureVersion
  /** Offers AUTH, and takes whatever login. */
  readonly auth?: boolean
  /** Speaks LMTP: the misdeed of a recipient after the dot is asked for as `DOT bob@far.test`. */
  readonly lmtp?: boolean
  /**
   * Asked for each verb, before the usual answer. More verbs: CONNECT for the greeting, BODY at the first piece of a message,
   * DOT at its end (the message counts as taken unless the answer is a refusal), TAKEN after it was answered. A verb is taken
   * for done when the misdeed is a reply of 2xx.
   */
  readonly misdeed?: (verb: string, session: SinkSession) => Misdeed
  /** Waits before each reply. */
  readonly replyMs?: number
  /** Sends replies in single bytes, with so much time after each. */
  readonly dripMs?: number
  /** Where it listens; default: 127.0.0.1, at a free port. */
  readonly host?: string
  readonly port?: number
}

/** A message that was taken. */
export interface Taken {
  readonly id: string
  readonly session: number
  recipients: readonly string[]
  readonly bytes: number
  readonly encrypted: boolean
  /** Address of the client, and what it has called itself. */
  readonly client: string
  readonly helo: string
  /** When, in milliseconds since 1970. */
  readonly at: number
  readonly text: string
}

/** Of every sink. */
export const CERTIFICATE = selfSigned('sink.test')

/** An SMTP server on loopback that takes everything, counts, and misbehaves as told. */
export class SmtpSink {
  readonly messages: Taken[] = []
  /** Every command of every session, in order. */
  readonly commands: string[] = []
  connections = 0
  /** When each connection was made, in milliseconds since 1970. */
  readonly connectedAt: number[] = []
  open = 0
  /** Connections open at a time, at most so far. */
  mostOpen = 0
  handshakes = 0
  private readonly sockets = new Set<net.Socket>()
  private readonly watchers = new Set<() => void>()

  private constructor(
    private readonly server: net.Server,
    readonly options: SinkOptions,
  ) {
    server.on('connection', (socket) => {
      this.connections++
      this.connectedAt.push(Date.now())
      this.mostOpen = Math.max(this.mostOpen, ++this.open)
      this.sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('close', () => {
        this.sockets.delete(socket)
        this.open--
        this.changed()
      })
      new SinkSession(this, socket, this.connections).begin()
    })
  }

  static async start(options: SinkOptions = {}): Promise<SmtpSink> {
    const sink = new SmtpSink(net.createServer(), options)
    sink.server.listen(options.port ?? 0, options.host ?? '127.0.0.1')
    await once(sink.server, 'listening')
    return sink
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port
  }

  count(verb: string): number {
    return this.commands.filter((command) => command === verb).length
  }

  /** Resolves when it holds; what the sink has seen is in the error when it does not in time. */
  async until(what: string, holds: () => boolean, timeoutMs = 15_000): Promise<void> {
    const late = AbortSignal.timeout(timeoutMs)
    while (!holds()) {
      await new Promise<void>((resolve, reject) => {
        const watcher = () => finish(resolve)
        const fail = () => finish(() => reject(new Error(`not ${what}: ${this.describe()}`)))
        const finish = (settle: () => void) => {
          this.watchers.delete(watcher)
          late.removeEventListener('abort', fail)
          settle()
        }
        this.watchers.add(watcher)
        late.addEventListener('abort', fail)
      })
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
    await once(this.server, 'close')
  }

  changed(): void {
    for (const watcher of [...this.watchers]) watcher()
  }

  private describe(): string {
    return `${this.messages.length} messages, ${this.connections} connections, ${this.open} open, ${this.handshakes} handshakes`
  }
}

/** One connection. */
export class SinkSession {
  /** Messages taken on it. */
  taken = 0
  /** Of the last RCPT. */
  recipient = ''
  readonly client: string
  private helo = ''
  private received = ''
  private inBody = false
  private body = ''
  private recipients: string[] = []
  private encrypted = false
  private socket: net.Socket
  /** Work on what was received is under way, or the session is to say nothing more. */
  private isBusy = false

  constructor(
    private readonly sink: SmtpSink,
    socket: net.Socket,
    readonly number: number,
  ) {
    this.socket = socket
    this.client = socket.remoteAddress ?? ''
    this.listen(socket)
  }

  begin(): void {
    this.isBusy = true
    void this.respond('CONNECT', '220 sink.test ESMTP').then(() => this.work())
  }

  private listen(socket: net.Socket): void {
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1')
      if (!this.isBusy) void this.work()
    })
  }

  private async work(): Promise<void> {
    this.isBusy = true
    while (this.received !== '' && !this.socket.destroyed) {
      if (!(this.inBody ? await this.readBody() : await this.readCommand())) break
    }
    this.isBusy = false
  }

  /** Says the usual, or does the misdeed. False when the session has said its last. */
  private async respond(verb: string, usual: string): Promise<boolean> {
    const { misdeed, replyMs, dripMs } = this.sink.options
    const answer = misdeed?.(verb, this) ?? usual
    if (answer === 'hang') await once(this.socket, 'close')
    if (answer === 'close') this.socket.end()
    if (answer === 'reset' || answer === 'lose') this.rawReset()
    if (answer === 'hang' || answer === 'close' || answer === 'reset') return false
    if (answer === 'lose') return true
    if (replyMs) await delay(replyMs)
    const bytes = answer === 'noise' ? 'what is this?\r\n' : `${answer}\r\n`
    if (answer && dripMs) await this.drip(bytes, dripMs)
    else if (answer) this.socket.write(bytes)
    if (/^421/.test(answer)) this.socket.end()
    return answer === usual || answer.startsWith('2')
  }

  private async drip(bytes: string, dripMs: number): Promise<void> {
    for (const byte of bytes) {
      if (this.socket.destroyed) return
      this.socket.write(byte)
      await delay(dripMs)
    }
  }

  private rawReset(): void {
    if (this.socket instanceof tls.TLSSocket) this.socket.destroy()
    else this.socket.resetAndDestroy()
  }

  private async readCommand(): Promise<boolean> {
    const end = this.received.indexOf('\r\n')
    if (end < 0) return false
    const line = this.received.slice(0, end)
    this.received = this.received.slice(end + 2)
    const verb = line.split(' ')[0]!.toUpperCase()
    if (verb === 'EHLO' || verb === 'LHLO') this.helo = line.slice(verb.length + 1)
    if (verb === 'RCPT') this.recipient = /<(.*)>/.exec(line)![1]!
    this.sink.commands.push(verb)
    this.sink.changed()
    const usual = this.usual(verb)
    const isUsual = await this.respond(verb, usual)
    if (!isUsual) return !this.socket.writableEnded && !this.socket.destroyed
    if (verb === 'MAIL' || verb === 'RSET') this.recipients = []
    if (verb === 'RCPT') this.recipients.push(this.recipient)
    if (verb === 'DATA') [this.inBody, this.body] = [true, '']
    if (verb === 'QUIT') this.socket.end()
    if (verb === 'STARTTLS') return this.encrypt()
    return true
  }

  private usual(verb: string): string {
    const { starttls, auth } = this.sink.options
    const offers = [starttls && !this.encrypted && '250-STARTTLS\r\n', auth && '250-AUTH PLAIN LOGIN\r\n']
    if (verb === 'EHLO' || verb === 'LHLO') return `250-sink.test\r\n${offers.filter(Boolean).join('')}250 8BITMIME`
    if (verb === 'AUTH') return '235 welcome'
    if (verb === 'STARTTLS') return '220 go on'
    if (verb === 'DATA') return '354 go on'
    if (verb === 'QUIT') return '221 bye'
    return ['MAIL', 'RCPT', 'RSET'].includes(verb) ? '250 fine' : '502 what?'
  }

  private async readBody(): Promise<boolean> {
    if (this.body === '' && !(await this.respond('BODY', ''))) return false
    this.body += this.received
    this.received = ''
    const end = this.body.indexOf('\r\n.\r\n')
    if (end < 0) return false
    this.received = this.body.slice(end + 5)
    this.inBody = false
    const message = this.note(this.body.slice(0, end))
    const isTaken = this.sink.options.lmtp ? await this.answerEach(message) : await this.respond('DOT', '250 taken')
    if (!isTaken) {
      this.sink.messages.splice(this.sink.messages.indexOf(message), 1)
      return !this.socket.writableEnded && !this.socket.destroyed
    }
    this.sink.changed()
    return this.respond('TAKEN', '')
  }

  /** LMTP. The message is taken for those who have a yes; false when nobody has. */
  private async answerEach(message: Taken): Promise<boolean> {
    const taken = []
    for (const recipient of message.recipients) {
      if (await this.respond(`DOT ${recipient}`, '250 taken')) taken.push(recipient)
      if (this.socket.writableEnded || this.socket.destroyed) break
    }
    message.recipients = taken
    return taken.length > 0
  }

  /** Before the answer, since the client may be quick. */
  private note(text: string): Taken {
    this.taken++
    const message = {
      id: /^Message-Id: <(.*)>/im.exec(text)?.[1] ?? 'none',
      session: this.number,
      recipients: this.recipients,
      bytes: text.length,
      encrypted: this.encrypted,
      client: this.client,
      helo: this.helo,
      at: Date.now(),
      text,
    }
    this.sink.messages.push(message)
    return message
  }

  private encrypt(): boolean {
    this.socket.removeAllListeners('data')
    const { starttls, tlsVersion } = this.sink.options
    if (starttls !== true) {
      this.socket.once('data', () => {
        if (starttls === 'broken') this.socket.end('this is no TLS at all\r\n')
        else if (starttls === 'close') this.socket.end()
      })
      return false
    }
    const secureContext = tls.createSecureContext({ ...CERTIFICATE, ...(tlsVersion && { maxVersion: tlsVersion }) })
    const secure = new tls.TLSSocket(this.socket, { isServer: true, secureContext })
    secure.once('secure', () => {
      this.sink.handshakes++
      this.encrypted = true
    })
    this.socket = secure
    this.listen(secure)
    return false
  }
}

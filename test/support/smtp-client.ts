import { once } from 'node:events'
import net from 'node:net'

export interface SmtpReply {
  readonly code: number
  /** The whole reply, lines joined by \n. */
  readonly text: string
}

/** The test servers believe this address when it says for whom it speaks (config/connection.ini, haproxy). */
const PROXY = '127.0.0.50'

/** A client that says exactly what a test tells it to, one command at a time. */
export class SmtpClient {
  private received = ''
  private waiting: ((reply: SmtpReply | undefined) => void) | undefined
  closed = false

  private constructor(private readonly socket: net.Socket) {
    socket.setNoDelay(true)
    socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1')
      this.deliver()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
      this.deliver()
    })
  }

  /**
   * Connects without waiting for the greeting. `from` is where to come from: a loopback address, or any other, which the
   * server then hears of in the PROXY protocol.
   */
  static async connect(port: number, from = '127.0.0.1', host = '127.0.0.1'): Promise<SmtpClient> {
    const proxied = !from.startsWith('127.')
    const socket = net.connect({ port, host, localAddress: proxied ? PROXY : from })
    const client = new SmtpClient(socket)
    await once(socket, 'connect')
    if (proxied) socket.write(`PROXY ${from.includes(':') ? 'TCP6' : 'TCP4'} ${from} ${from} 40000 25\r\n`)
    return client
  }

  /** Connects, reads the greeting and says EHLO. Rejects when the server does not want us. */
  static async greet(port: number, from = '127.0.0.1'): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port, from)
    const greeting = await client.reply()
    if (greeting.code !== 220) throw new Error(greeting.text)
    await client.say('EHLO client.test')
    return client
  }

  /** The next reply. Rejects when the server closes instead. */
  async reply(): Promise<SmtpReply> {
    if (this.waiting) throw new Error('already waiting for a reply')
    const reply = await new Promise<SmtpReply | undefined>((resolve) => {
      this.waiting = resolve
      this.deliver()
    })
    if (!reply) throw new Error('the server closed without a reply')
    return reply
  }

  async say(command: string | Buffer): Promise<SmtpReply> {
    this.write(command)
    return this.reply()
  }

  write(command: string | Buffer): void {
    this.socket.write(typeof command === 'string' ? `${command}\r\n` : command)
  }

  /** MAIL, RCPT for each, DATA and a small body; the first refusal ends it and is returned. */
  async send(
    sender: string,
    recipients: string | readonly string[],
    body = 'Subject: test\r\n\r\nhello',
  ): Promise<SmtpReply> {
    let reply = await this.say(`MAIL FROM:<${sender}>`)
    if (reply.code !== 250) return reply
    for (const recipient of [recipients].flat()) {
      reply = await this.say(`RCPT TO:<${recipient}>`)
      if (reply.code !== 250) return reply
    }
    reply = await this.say('DATA')
    if (reply.code !== 354) return reply
    return this.say(`${body}\r\n.`)
  }

  async quit(): Promise<void> {
    if (this.closed) return
    this.write('QUIT')
    if (!this.closed) await once(this.socket, 'close')
  }

  /** Goes away without a word. */
  async vanish(): Promise<void> {
    if (this.closed) return
    const gone = once(this.socket, 'close')
    this.socket.resetAndDestroy()
    await gone
  }

  async waitForClose(): Promise<void> {
    if (!this.closed) await once(this.socket, 'close')
  }

  private deliver(): void {
    if (!this.waiting) return
    const match = /^(?:\d{3}-[^\n]*\n)*(\d{3}) [^\n]*\n/.exec(this.received)
    if (match) {
      this.received = this.received.slice(match[0].length)
      this.finish({ code: Number(match[1]), text: match[0].trimEnd().replaceAll('\r', '') })
    } else if (this.closed) this.finish(undefined)
  }

  private finish(reply: SmtpReply | undefined): void {
    const waiting = this.waiting
    this.waiting = undefined
    waiting?.(reply)
  }
}

import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { type Endpoint, endpointText } from './endpoint'
import { CliError } from './terminal'

/** RFC 5321 §4.5.3.2 gives the reply to a message ten minutes; a person at a terminal has less. */
const PATIENCE_MS = 60_000

export interface Delivered {
  readonly accepted: boolean
  /** The reply that decided, as the server wrote it; the lines of a longer one in one. */
  readonly reply: string
}

/** One SMTP session as a client, plain text only (RFC 5321): just enough to try a server out. */
export class SmtpDialogue {
  private readonly lines: string[] = []
  private wake: () => void = () => undefined
  private closed = false
  /** The server has said goodbye, or gone. */
  ended = false

  private constructor(
    private readonly socket: Socket,
    private readonly where: string,
  ) {
    const reader = createInterface({ input: socket })
    reader.on('line', (line) => {
      this.lines.push(line)
      this.wake()
    })
    // Also when the socket fails, which ends no line.
    socket.on('close', () => {
      this.closed = true
      this.wake()
    })
  }

  /** Rejects with a {@link CliError} when nobody answers there. */
  static async open(endpoint: Endpoint): Promise<SmtpDialogue> {
    const where = endpointText(endpoint)
    const socket = createConnection(endpoint.port, endpoint.host)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', (error: NodeJS.ErrnoException) =>
        reject(new CliError(`no server at ${where} (${error.code ?? error.message}): is it running?`)),
      )
    })
    socket.setTimeout(PATIENCE_MS, () => socket.destroy())
    // What goes wrong later shows as a missing reply.
    socket.on('error', () => undefined)
    return new SmtpDialogue(socket, where)
  }

  /** Greeting and EHLO. Rejects with a {@link CliError} when the server does not want us. */
  async greet(): Promise<void> {
    for (const reply of [await this.reply(), await this.say('EHLO localhost')]) {
      if (!isGood(reply)) throw new CliError(`${this.where} answered: ${reply}`)
    }
  }

  /** Delivers one message; it is accepted when every recipient is. */
  async send(from: string, to: readonly string[], text: string): Promise<Delivered> {
    const replies = [await this.say(`MAIL FROM:<${from}>`)]
    for (const recipient of to) if (isGood(replies.at(-1)!)) replies.push(await this.say(`RCPT TO:<${recipient}>`))
    const refused = replies.find((reply) => !isGood(reply))
    if (refused !== undefined) {
      if (!this.ended) await this.say('RSET')
      return { accepted: false, reply: refused }
    }
    const ready = await this.say('DATA')
    const reply = ready.startsWith('3') ? await this.say(stuffDots(text) + '\r\n.') : ready
    return { accepted: isGood(reply), reply }
  }

  close(): void {
    if (!this.ended) this.socket.write('QUIT\r\n')
    this.socket.end()
    this.socket.destroySoon()
  }

  private async say(command: string): Promise<string> {
    this.socket.write(command + '\r\n')
    return this.reply()
  }

  /** The lines of one reply, in one: `250-` goes on, `250 ` is the last. */
  private async reply(): Promise<string> {
    for (;;) {
      const last = this.lines.findIndex((line) => !/^\d{3}-/.test(line))
      if (last >= 0) {
        const [first = '', ...more] = this.lines.splice(0, last + 1)
        const reply = [first, ...more.map((line) => line.slice(4))].join(' ')
        if (reply.startsWith('421')) this.ended = true
        return reply
      }
      if (this.closed) {
        this.ended = true
        throw new CliError(`${this.where} closed the session`)
      }
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }
}

function isGood(reply: string): boolean {
  return reply.startsWith('2')
}

/** RFC 5321 §4.5.2: a line of the text that begins with a dot gets another one. */
function stuffDots(text: string): string {
  return text.replace(/^\./gm, '..')
}

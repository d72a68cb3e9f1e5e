import type { Facade } from './facade'
import { type Reply, ReplyReader } from './reply-reader'
import { isThrottle } from './stale'
import { type Phase, type Timeouts, phaseOf, verbOf } from './timeouts'
import type { PluggableSocket, Upgraded } from './types'

/** How long a server has to close after our QUIT, in ms. */
const QUIT_MS = 5000

/** What a session tells the pool it belongs to. */
export interface SessionOwner {
  readonly timeouts: Timeouts
  readonly lmtp: boolean
  /** Whether it may wait for another message. */
  keeps(session: Session): boolean
  /** It waits for another message. */
  parked(session: Session): void
  /** It waits no longer: it is being closed. */
  leaving(session: Session): void
  /** It is over, and its connection too. */
  gone(session: Session): void
}

/**
 * - busy: a delivery has it
 * - clearing: RSET is under way
 * - parked: it waits for another message
 * - closing: QUIT is under way
 */
type State = 'busy' | 'clearing' | 'parked' | 'closing' | 'closed'

/** Where the transaction of the present delivery is: what QUIT then takes. */
type Transaction = 'none' | 'open' | 'body' | 'dot'

/** One SMTP session: a connection, what the server said at its beginning, and the delivery that has it. */
export class Session {
  /** Transactions begun. */
  messages = 0
  private state: State = 'busy'
  private facade: Facade | undefined
  /** Deliveries that had it, the present one included. */
  private deliveries = 0
  private transaction: Transaction = 'none'
  /** The command that has no answer yet. */
  private awaited: Phase | undefined = 'greeting'
  private awaitedCommand = ''
  /** Replies that the final dot still gets: LMTP answers for each recipient (RFC 2033 §4.2). */
  private repliesToDot = 0
  private accepted = 0
  /** The greeting, and the answers to EHLO in the clear and in TLS, by what was asked. */
  private readonly said = new Map<string, Reply>()
  private handshake: 'none' | 'running' | Parameters<Upgraded> = 'none'
  private isLoggedIn = false
  /** The server has said 421: it closes (RFC 5321 §3.8). */
  private isEnding = false
  private timer: NodeJS.Timeout | undefined
  private readonly reader = new ReplyReader((reply) => this.onReply(reply))

  constructor(
    private readonly socket: PluggableSocket,
    private readonly owner: SessionOwner,
  ) {
    socket.on('data', (bytes: Buffer) => {
      if (!this.reader.push(bytes)) this.lose(new Error('the server talks without end'))
    })
    socket.on('error', (error: Error & { source?: string }) => {
      // Haraka takes an error of this source for a failed handshake, and never offers the host TLS again.
      if (this.handshake !== 'running') delete error.source
      this.lose(error)
    })
    socket.on('end', () => this.lose())
    socket.on('close', () => this.lose())
    socket.on('drain', () => {
      if (this.transaction === 'body') this.expect('block')
      this.facade?.emit('drain')
    })
    this.expect('greeting')
  }

  get isReused(): boolean {
    return this.deliveries > 1
  }

  get isEncrypted(): boolean {
    return this.socket.isEncrypted()
  }

  get isSecure(): boolean {
    return this.socket.isSecure()
  }

  /** Gives it to a delivery. */
  lend(facade: Facade): void {
    this.state = 'busy'
    this.facade = facade
    this.deliveries++
    this.transaction = 'none'
    if (this.isReused) {
      clearTimeout(this.timer)
      facade.answer(this.said.get('greeting')!)
    }
  }

  /** What the server has answered to this before, in this session, or would answer. */
  recall(command: string, seemsEncrypted: boolean): Reply | undefined {
    const isEncrypted = Array.isArray(this.handshake)
    const verb = verbOf(command)
    if (verb === 'STARTTLS' && isEncrypted) return { code: 220, lines: ['220 2.0.0 encrypted already'] }
    if (verb === 'AUTH' && this.isLoggedIn) return { code: 235, lines: ['235 2.7.0 logged in already'] }
    return this.said.get(helloKey(command, seemsEncrypted))
  }

  /** Sends a command of the delivery. */
  send(command: string): void {
    const phase = phaseOf(command, this.awaitedCommand === 'AUTH')
    this.awaitedCommand = phase === 'auth' ? 'AUTH' : command
    if (phase === 'mail') {
      this.transaction = 'open'
      this.accepted = 0
      this.messages++
    } else if (phase === 'dot') {
      this.transaction = 'dot'
      this.repliesToDot = this.owner.lmtp ? this.accepted : 1
    }
    this.awaited = phase
    this.expect(phase)
    this.socket.write(`${command}\r\n`)
  }

  /** Sends a piece of the message. False when 'drain' is to be waited for. */
  sendBody(bytes: Buffer): boolean {
    if (this.transaction !== 'body') return true
    this.expect('block')
    return this.socket.write(bytes)
  }

  /** Goes over to TLS, or says how it went when that was before. */
  upgrade(options: object, done: Upgraded): void {
    const before = this.handshake
    if (Array.isArray(before)) return process.nextTick(() => done(...before))
    // What came in the clear after the answer to STARTTLS would count as said in TLS.
    if (!this.reader.isEmpty) return this.lose(new Error('the server spoke before the TLS handshake'))
    this.handshake = 'running'
    this.expect('starttls')
    this.socket.upgrade(options, (...result) => {
      clearTimeout(this.timer)
      this.handshake = result
      done(...result)
    })
  }

  /** The delivery is done with it. */
  release(): void {
    this.facade = undefined
    clearTimeout(this.timer)
    if (this.state !== 'busy') return
    // In the middle of something: no command would be understood.
    if (this.awaited || this.transaction === 'body') return this.lose()
    if (this.isEnding || this.messages === 0 || !this.owner.keeps(this)) return this.quit()
    if (this.transaction === 'none') return this.park()
    this.state = 'clearing'
    this.expect('rset')
    this.socket.write('RSET\r\n')
  }

  /** Ends a session that nobody has. */
  quit(): void {
    if (this.state === 'closing' || this.state === 'closed') return
    this.owner.leaving(this)
    this.state = 'closing'
    this.arm(QUIT_MS, () => this.lose())
    this.socket.write('QUIT\r\n')
    this.socket.end()
  }

  /** Waits for another delivery, at most so long. */
  waitAtMost(idleMs: number): void {
    this.arm(idleMs, () => this.quit())
  }

  /** The connection is over, or is made so. */
  lose(error?: Error): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    clearTimeout(this.timer)
    this.socket.destroy()
    this.owner.gone(this)
    this.facade?.lost(error, this.isStale)
  }

  /** Nothing of a message was sent, and the session is of an earlier one: it may have ended for that alone. */
  private get isStale(): boolean {
    return this.isReused && this.handshake !== 'running' && (this.transaction === 'none' || this.transaction === 'open')
  }

  private park(): void {
    this.state = 'parked'
    this.owner.parked(this)
  }

  private onReply(reply: Reply): void {
    if (this.state === 'closing' || this.state === 'closed') return
    // A parked session is told only that it ends.
    if (this.state === 'parked') return this.lose()
    if (this.state === 'clearing') {
      clearTimeout(this.timer)
      return isPositive(reply) && this.owner.keeps(this) ? this.park() : this.quit()
    }
    if (reply.code === 421 && this.isStale && !isThrottle(reply.lines.join(' '))) return this.lose()
    // Haraka would take an early yes for leave to send the message once more.
    if (this.transaction === 'body' && reply.code < 400) return this.lose(new Error('an answer that nobody asked for'))
    this.note(reply)
    this.isEnding ||= reply.code === 421
    const facade = this.facade
    for (const line of reply.lines) facade?.take(line)
  }

  /** Keeps what a reply means for the session. */
  private note(reply: Reply): void {
    const phase = this.awaited
    if (phase === 'dot' && --this.repliesToDot > 0) return this.expect('dot')
    clearTimeout(this.timer)
    this.awaited = undefined
    if (phase === 'greeting') this.said.set('greeting', reply)
    else if (phase === 'hello') this.said.set(helloKey(this.awaitedCommand, Array.isArray(this.handshake)), reply)
    else if (phase === 'rcpt' && isPositive(reply)) this.accepted++
    else if (phase === 'data' && reply.code !== 0 && reply.code < 400) this.transaction = 'body'
    else if (phase === 'dot') this.transaction = isPositive(reply) ? 'none' : 'open'
    if (phase === 'auth') {
      if (reply.code === 235) this.isLoggedIn = true
      if (reply.code !== 334) this.awaitedCommand = ''
    }
    if (this.transaction === 'body') this.expect('block')
  }

  private expect(phase: Phase): void {
    this.arm(this.owner.timeouts[phase], () => this.lose(new Error(`timed out at ${phase}`)))
  }

  private arm(ms: number, late: () => void): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(late, ms)
  }
}

function isPositive({ code }: Reply): boolean {
  return code >= 200 && code < 300
}

function helloKey(command: string, isEncrypted: boolean): string {
  return `${isEncrypted ? 'in TLS' : 'in the clear'} ${command}`
}

import type { FailureKind } from '../../egress/attempt'
import type { AttemptPhase } from '../../policy/attempt-phase'
import { parseReply, tellReply } from '../../egress/smtp-reply'
import type { BrokenTls } from './broken-tls'
import { type SessionDemands, higher } from './demands'
import type { Facade } from './facade'
import { failureOf, textOf } from './failures'
import { noted } from './noted'
import { Opening, offersTls, withoutTls } from './opening'
import { type Reply, ReplyReader, isPositive } from './reply-reader'
import type { SessionRequest } from './request'
import { type Phase, phaseOf, verbOf } from './timeouts'
import { Transaction } from './transaction'
import type { PluggableSocket, Upgraded } from './types'

/** How long a server has to close after our QUIT, in ms. */
const QUIT_MS = 5000

/** What a session tells the pool it belongs to. */
export interface SessionOwner {
  readonly lmtp: boolean
  readonly brokenTls: BrokenTls
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

/** One SMTP session: a connection, what the server said at its beginning, and the delivery that has it. */
export class Session {
  /** Transactions begun. */
  messages = 0
  private state: State = 'busy'
  private facade: Facade | undefined
  private request: SessionRequest | undefined
  /** Deliveries that had it, the present one included. */
  private deliveries = 0
  private transaction = new Transaction()
  /** What was begun last, and when. */
  private phase: AttemptPhase = 'greeting'
  private begunAt = 0
  /** The command that has no answer yet. */
  private awaited: Phase | undefined = 'greeting'
  private awaitedCommand = ''
  private readonly opening = new Opening()
  private handshake: 'none' | 'running' | Parameters<Upgraded> = 'none'
  /** A failed handshake is no leave to send in the clear. */
  private needsTls = false
  /** The server has said 421: it closes (RFC 5321 §3.8). */
  private isEnding = false
  private timer: NodeJS.Timeout | undefined
  private readonly reader = new ReplyReader((reply) => this.onReply(reply))

  constructor(
    private readonly socket: PluggableSocket,
    private readonly owner: SessionOwner,
    /** Of the delivery that has it, or had it last. */
    public demands: SessionDemands,
  ) {
    socket.on('data', (bytes: Buffer) => {
      if (!this.reader.push(bytes)) this.onEndlessReply()
    })
    socket.on('error', (error: Error & { source?: string }) => {
      // Haraka takes an error of this source for a failed handshake, and never offers the host TLS again.
      delete error.source
      this.lose(failureOf(error), error)
    })
    socket.on('end', () => this.lose('closed'))
    socket.on('close', () => this.lose('closed'))
    socket.on('drain', () => {
      if (this.transaction.stage === 'body') this.expect('block')
      this.facade?.emit('drain')
    })
    this.begin('greeting')
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
  lend(facade: Facade, request: SessionRequest): void {
    this.state = 'busy'
    this.facade = facade
    this.request = request
    this.demands = request.demands
    this.needsTls = request.forceTls
    this.deliveries++
    this.transaction = new Transaction()
    if (!this.isReused) return
    clearTimeout(this.timer)
    request.attempt?.reuses()
    this.tellTls()
    facade.answer(this.opening.greeting!)
  }

  /** What the server would answer, as far as it need not be asked. */
  foresee(command: string, seemsEncrypted: boolean): Reply | undefined {
    if (verbOf(command) !== 'MAIL') return this.opening.recall(command, seemsEncrypted, Array.isArray(this.handshake))
    const refusal = this.opening.refusalOf(this.request?.sizeBytes)
    if (refusal) this.request?.attempt?.replied('mail', parseReply(refusal.lines))
    return refusal
  }

  /** Sends a command of the delivery. */
  send(command: string): void {
    const phase = phaseOf(command, this.awaitedCommand === 'AUTH')
    this.awaitedCommand = phase === 'auth' ? 'AUTH' : command
    if (phase === 'mail') this.messages++
    if (phase === 'dot') this.took('block')
    this.transaction.sends(phase)
    this.awaited = phase
    this.begin(phase)
    this.socket.write(`${command}\r\n`)
  }

  /** Sends a piece of the message. False when 'drain' is to be waited for. */
  sendBody(bytes: Buffer): boolean {
    if (this.transaction.stage !== 'body') return true
    this.expect('block')
    return this.socket.write(bytes)
  }

  /** Goes over to TLS, or says how it went when that was before. */
  upgrade(options: { readonly minVersion?: string; readonly rejectUnauthorized?: boolean }, done: Upgraded): void {
    const before = this.handshake
    if (Array.isArray(before)) return process.nextTick(() => done(...before))
    this.handshake = 'running'
    this.needsTls ||= options.rejectUnauthorized === true
    // What came in the clear after the answer to STARTTLS would count as said in TLS.
    if (!this.reader.isEmpty) return this.lose('tls', new Error('the server spoke before it'))
    this.begin('starttls')
    this.socket.upgrade({ ...options, ...higher(options.minVersion, this.demands.tls.minVersion) }, (...result) => {
      clearTimeout(this.timer)
      this.handshake = result
      this.took('starttls')
      this.tellTls()
      done(...result)
    })
  }

  /** The delivery cannot go on with its message, and nobody is to take half of it for the whole. */
  breakOff(error: Error): void {
    this.lose('closed', new Error(`the message cannot be read: ${textOf(error)}`))
  }

  /** The delivery is done with it. */
  release(): void {
    this.part()
    clearTimeout(this.timer)
    if (this.state !== 'busy') return
    // In the middle of something: no command would be understood.
    if (this.awaited || this.transaction.stage === 'body') return this.lose('closed')
    if (this.isEnding || this.messages === 0 || !this.owner.keeps(this)) return this.quit()
    if (this.transaction.stage === 'none') return this.park()
    this.state = 'clearing'
    this.expect('rset')
    this.socket.write('RSET\r\n')
  }

  /** Ends a session that nobody has. */
  quit(): void {
    if (this.state === 'closing' || this.state === 'closed') return
    this.owner.leaving(this)
    this.state = 'closing'
    this.arm(QUIT_MS, () => this.lose('timeout'))
    this.socket.write('QUIT\r\n')
    this.socket.end()
  }

  /** Waits for another delivery, as long as the last one's path lets it. */
  waitForNext(): void {
    this.arm(this.demands.idleMs, () => this.quit())
  }

  /** The connection is over, or is made so. Without an error the server has closed it. */
  private lose(failure: FailureKind, error?: Error): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    clearTimeout(this.timer)
    this.socket.destroy()
    this.owner.gone(this)
    const text = error ? textOf(error) : 'the server closed the connection'
    if (this.handshake === 'running') return this.doWithoutTls(`TLS handshake: ${text}`)
    if (this.awaited === 'starttls') return this.doWithoutTls(`STARTTLS: ${text}`)
    if (this.transaction.isHalfAnswered) return this.answerTheRest(text)
    const { facade, request } = this.part()
    if (!facade || !request) return
    if (this.isStale) {
      facade.detach()
      request.attempt?.replaced(text)
      return request.retry('stale', text)
    }
    request.attempt?.failed(this.phase, failure, text)
    facade.lost(error)
  }

  /** The delivery has nothing more to do with it. */
  private part(): { facade: Facade | undefined; request: SessionRequest | undefined } {
    const { facade, request } = this
    this.facade = undefined
    this.request = undefined
    return { facade, request }
  }

  /** Nothing of a message was sent, and the session is of an earlier one: it may have ended for that alone. */
  private get isStale(): boolean {
    return this.isReused && this.transaction.isUntouched
  }

  /** There will be no TLS with this host. Where it is demanded Haraka goes on to another host, and defers when there is none. */
  private doWithoutTls(text: string): void {
    const { facade, request } = this.part()
    if (!facade || !request) return
    request.attempt?.failed('starttls', 'tls', text)
    if (this.needsTls) return facade.lost(new Error(text))
    this.owner.brokenTls.add(request.mx, request.demands.tls.minVersion)
    facade.detach()
    request.retry('no TLS', text)
  }

  /** After the dot its first line is answer enough: who has said yes would get the message twice, who has said no for ever. */
  private onEndlessReply(): void {
    const verdict = this.awaited === 'dot' ? this.reader.cutOff() : undefined
    this.isEnding = true
    if (verdict) this.onReply(verdict)
    if (!verdict || this.awaited === 'dot') this.lose('protocol', new Error('the server talks without end'))
  }

  private park(): void {
    this.state = 'parked'
    this.owner.parked(this)
  }

  private onReply(reply: Reply): void {
    if (this.state === 'closing' || this.state === 'closed') return
    // A parked session is told only that it ends.
    if (this.state === 'parked') return this.lose('closed')
    if (this.state === 'clearing') {
      clearTimeout(this.timer)
      return isPositive(reply) && this.owner.keeps(this) ? this.park() : this.quit()
    }
    if (reply.code === 421 && this.isStale && !this.isAboutUs(reply)) {
      return this.lose('closed', new Error(reply.lines.join(' ')))
    }
    // Haraka would bounce the message for it.
    if (reply.code === 0) return this.lose('protocol', new Error(`no SMTP reply: ${reply.lines[0]?.slice(0, 200)}`))
    if (this.isOutOfStep(reply)) return this.lose('protocol', new Error('an answer that nobody asked for'))
    // Haraka would send every message back whose password is not taken any more.
    if (this.awaited === 'auth' && reply.code >= 500) return this.lose('protocol', new Error(this.tell(reply)))
    if (this.isForAnother(reply)) return this.lose('closed', new Error(reply.lines.join(' ')))
    const whyNoTls = this.whyNoTls(reply)
    if (whyNoTls !== undefined) {
      this.quit()
      return this.doWithoutTls(whyNoTls)
    }
    this.isEnding ||= reply.code === 421
    if (this.awaited === 'dot' && this.owner.lmtp) this.onFinal(reply)
    else this.facade?.take(this.note(reply))
  }

  /**
   * Who answers more often than he is asked is taken at the wrong word from then on: the yes to one message would be that to
   * the next, and a message that was taken would be sent again. 421 needs no question (RFC 5321 §3.8).
   */
  private isOutOfStep({ code }: Reply): boolean {
    if (this.transaction.stage === 'body') return code < 400
    if (this.awaited === 'data') return code < 300
    if (this.awaited === 'dot') return code >= 300 && code < 400
    return this.awaited === undefined && code !== 421
  }

  /**
   * In Haraka STARTTLS that is offered and then refused bounces the message; where TLS is demanded a refused EHLO leaves it in
   * the air for ever, and a host without TLS keeps it from the others. 421 is about the connection.
   */
  private whyNoTls(reply: Reply): string | undefined {
    const { code } = reply
    const isHello = this.awaited === 'hello' && this.needsTls && this.handshake === 'none'
    if (isHello && isPositive(reply)) return offersTls(reply) ? undefined : 'the host offers no TLS'
    const isRefusal = this.awaited === 'starttls' ? code >= 300 && code !== 421 : isHello && code >= 500
    return isRefusal ? this.tell(reply) : undefined
  }

  /** The host takes no mail at all, of anybody: then its domain's next one is asked (RFC 5321 §3.1, §5.1). */
  private isForAnother(reply: Reply): boolean {
    if (this.awaited !== 'greeting' || reply.code < 400 || this.isAboutUs(reply)) return false
    return this.request?.hasOthers() ?? false
  }

  /** Another session would be told the same. In doubt it would not. */
  private isAboutUs({ lines }: Reply): boolean {
    return this.request?.attempt?.means(this.phase, parseReply(lines)).isAboutUs ?? false
  }

  private tell(reply: Reply): string {
    return `${verbOf(this.awaitedCommand)} was answered with ${tellReply(parseReply(reply.lines))}`
  }

  /** Keeps what a reply means for the session. Returns it as Haraka is to see it. */
  private note(said: Reply): Reply {
    let reply = said
    // Before its end a message can only be refused.
    const phase = this.awaited ?? (this.transaction.stage === 'body' ? 'block' : undefined)
    clearTimeout(this.timer)
    this.awaited = undefined
    if (phase && phase !== 'rset') {
      this.took(phase)
      reply = noted(this.request?.attempt, phase, said)
    }
    if (phase === 'greeting') this.opening.greeting = reply
    else if (phase === 'hello') return this.noteHello(reply)
    else if (phase === 'rcpt') return this.transaction.recipient(reply)
    else if (phase === 'data') this.transaction.data(reply)
    else if (phase === 'dot') this.transaction.final(reply)
    else if (phase === 'auth') {
      if (reply.code === 235) this.opening.isLoggedIn = true
      if (reply.code !== 334) this.awaitedCommand = ''
    }
    if (this.transaction.stage === 'body') this.begin('block')
    return reply
  }

  private noteHello(reply: Reply): Reply {
    const { handshake, request, needsTls } = this
    const isEncrypted = Array.isArray(handshake)
    const mayDoWithout = !isEncrypted && !needsTls && request !== undefined && isPositive(reply)
    const isBroken = mayDoWithout && this.owner.brokenTls.has(request.mx, request.demands.tls.minVersion)
    const shown = isBroken ? withoutTls(reply) : reply
    this.opening.heard(this.awaitedCommand, shown, isEncrypted)
    return shown
  }

  /** LMTP: one more answer after the dot. Haraka gets them when all are there; true then. */
  private onFinal(reply: Reply): boolean {
    if (!this.transaction.finalOfOne(noted(this.request?.attempt, 'dot', reply, true))) {
      this.expect('dot')
      return false
    }
    this.took('dot')
    clearTimeout(this.timer)
    this.awaited = undefined
    for (const one of this.transaction.finalsInOrder(this.request?.recipients ?? [])) this.facade?.take(one)
    return true
  }

  /** LMTP: some recipients have the message, and only the others are to be tried again. */
  private answerTheRest(text: string): void {
    const lines = [`451 4.4.2 no answer for this recipient: ${text}`]
    while (!this.onFinal({ code: 451, lines }));
  }

  private tellTls(): void {
    if (!Array.isArray(this.handshake)) return
    const [verified, , , cipher] = this.handshake
    this.request?.attempt?.secured({ verified, version: cipher?.version ?? '', cipher: cipher?.name ?? '' })
  }

  private took(phase: AttemptPhase): void {
    this.request?.attempt?.took(phase, performance.now() - this.begunAt)
  }

  private begin(phase: Phase): void {
    if (phase !== 'rset') this.phase = phase
    this.begunAt = performance.now()
    this.expect(phase)
  }

  private expect(phase: Phase): void {
    this.arm(this.demands.timeouts[phase], () => this.lose('timeout', new Error(`timed out at ${phase}`)))
  }

  private arm(ms: number, late: () => void): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(late, ms)
  }
}

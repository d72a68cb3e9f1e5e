import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import type { Reply } from './reply-reader'
import type { Session } from './session'
import { verbOf } from './timeouts'
import type { Upgraded } from './types'

/**
 * What one delivery of Haraka takes for its socket. On a session that was used before it plays the beginning over again from
 * what the server said then (greeting, EHLO, STARTTLS, AUTH), so that Haraka's own logic for TLS and logins runs unchanged.
 * Strings are commands, buffers are the message (hmail.js). After QUIT it is deaf and dumb: Haraka waits for nothing more.
 */
export class Facade extends EventEmitter {
  /** Haraka looks here before it writes, and writes here when the server has closed. */
  writable = true
  private session: Session | undefined
  /** Open as long as it is read. */
  private message: Readable | undefined
  /** What Haraka must believe: it has asked for TLS, and got it. */
  private seemsEncrypted = false

  constructor(session: Session) {
    super()
    this.session = session
    this.on('pipe', (message: Readable) => {
      this.message = message
      // Haraka only logs it, and never ends the message.
      message.once('error', (error) => this.session?.breakOff(error))
    })
  }

  write(data: string | Buffer): boolean {
    if (!this.session) return true
    if (typeof data !== 'string') return this.session.sendBody(data)
    const command = data.trimEnd()
    if (verbOf(command) === 'QUIT') {
      this.abandon()
      return true
    }
    const known = this.session.foresee(command, this.seemsEncrypted)
    if (known) this.answer(known)
    else this.session.send(command)
    return true
  }

  /** Plays a reply, a moment later as a server would. */
  answer(reply: Reply): void {
    process.nextTick(() => this.take(reply))
  }

  /** Hands a reply of the server to Haraka. */
  take(reply: Reply): void {
    for (const line of reply.lines) if (this.session) this.emit('line', line)
  }

  upgrade(options: object, done: Upgraded): void {
    this.session?.upgrade(options, (...result) => {
      if (!this.session) return
      this.seemsEncrypted = true
      done(...result)
      // `done` ends the delivery when the certificate is not what was demanded.
      if (this.session) this.emit('secure')
    })
  }

  isEncrypted(): boolean {
    return this.session?.isEncrypted ?? false
  }

  isSecure(): boolean {
    return this.session?.isSecure ?? false
  }

  /** Gives the session back, in whatever state it is. */
  abandon(): void {
    const session = this.detach()
    session?.release()
  }

  end(): void {
    this.abandon()
  }

  destroy(): void {
    this.abandon()
  }

  /** The session is over for this delivery, and Haraka is told: an error, or that the server has closed. */
  lost(error: Error | undefined): void {
    if (!this.detach()) return
    if (error) this.emit('error', error)
    else this.emit('close')
  }

  /** From now on it is deaf and dumb. */
  detach(): Session | undefined {
    const session = this.session
    this.session = undefined
    this.message?.destroy()
    return session
  }
}

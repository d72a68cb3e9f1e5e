import type { Offence } from '../gates/jail/jail-policy'
import type { Answer } from './guard'
import { watchReplies } from './replies'
import type { Session, Sessions } from './session'
import type { Connection } from './types'

/** What our own replies end with: who was refused by us has done nothing more wrong. */
const OWN_REPLY = /\(sluice \S+ \S+\)$/
/** Haraka's own, where no plugin takes the recipient, and what others say. */
const RELAY_REPLY = /^(?:I cannot deliver mail for|.{0,200}\brelay)/i
/** So many commands that move no mail are one offence: a few are normal. */
const JUNK_PER_OFFENCE = 20

/** Haraka's own; it asks no hook. */
const ANSWER_TO_HELP = 'Not implemented'

/** Told of every offence, in the session in which it happened. */
export type OffenceListener = (connection: Connection, session: Session, offence: Offence) => void

/** What sessions do wrong, told from the replies they get: Haraka tells plugins nothing of most of it. */
export class Conduct {
  private readonly listeners: OffenceListener[] = []

  /** @param judge what to say in place of a reply, when the session is over its bounds */
  constructor(
    private readonly sessions: Sessions,
    private readonly judge: (plugin: string, connection: Connection) => Answer,
  ) {}

  onOffence(listener: OffenceListener): void {
    this.listeners.push(listener)
  }

  /** From now on every reply of the session is counted in it. Idempotent. */
  watch(connection: Connection): Session {
    const session = this.sessions.of(connection)
    if (session.watched) return session
    session.watched = true
    watchReplies(connection).onReply = (code, text) => {
      if (!this.count(connection, session, code, text) || session.boundBy === undefined) return undefined
      return this.judge(session.boundBy, connection)
    }
    return session
  }

  /** The session is held to its bounds at every reply; `plugin` answers for the refusal that ends it. */
  holdToBounds(plugin: string, connection: Connection): void {
    this.watch(connection).boundBy = plugin
  }

  /** The client has said who it is: by now it is known whether it waited for the greeting. */
  noteGreeting(connection: Connection): void {
    const session = this.sessions.of(connection)
    if (connection.early_talker !== true || session.early) return
    session.early = true
    this.tell(connection, session, 'early')
  }

  /** The session is over: who hung up before Haraka told him that his login failed has tried all the same. */
  end(connection: Connection, session: Session): void {
    this.countAuth(connection, session)
  }

  /** Counts something that moves no mail. */
  countJunk(connection: Connection): void {
    const session = this.sessions.of(connection)
    const { accept } = connection.msg_count
    if (accept > session.delivered) {
      session.delivered = accept
      session.junk = 0
    }
    session.junk++
    if (session.junk % JUNK_PER_OFFENCE === 0) this.tell(connection, session, 'junk')
  }

  /** Returns whether the reply counts against the session's bounds. */
  private count(connection: Connection, session: Session, code: number, text: string): boolean {
    if (code < 400) {
      if (text !== ANSWER_TO_HELP) return false
      this.countJunk(connection)
      return true
    }
    if (code < 500) this.countJunk(connection)
    else {
      session.errors++
      const offence = offenceOf(connection, code, text)
      if (offence === 'unknown_recipient' || offence === 'relay') session.unknownRecipients++
      if (offence) this.tell(connection, session, offence)
    }
    this.countAuth(connection, session)
    return true
  }

  private countAuth(connection: Connection, session: Session): void {
    const { auth_fails: fails } = connection.notes
    const known = typeof fails === 'number' ? fails : 0
    for (; session.authFailures < known; session.authFailures++) this.tell(connection, session, 'auth')
  }

  private tell(connection: Connection, session: Session, offence: Offence): void {
    for (const listener of this.listeners) listener(connection, session, offence)
  }
}

/** Which offence a refusal answers, if any. */
function offenceOf(connection: Connection, code: number, text: string): Offence | undefined {
  if (OWN_REPLY.test(text)) return undefined
  const command = (connection.current_line ?? '').slice(0, 4).toUpperCase()
  if (command === 'RCPT' && !connection.relaying) return RELAY_REPLY.test(text) ? 'relay' : 'unknown_recipient'
  if (command === 'VRFY' || command === 'EXPN') return 'probe'
  // Content and policy are refused with 55x, a login with 535; what is wrong with the dialogue itself with 50x (RFC 5321
  // §4.2.1).
  return code < 510 ? 'protocol' : undefined
}

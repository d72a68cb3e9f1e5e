import type { Offence } from '../gates/jail/jail-policy'
import type { Answer } from './guard'
import { watchReplies } from './replies'
import type { Session, Sessions } from './session'
import type { Connection, EnvelopeAddress } from './types'

/** What our own replies end with: who was refused by us has done nothing more wrong. */
const OWN_REPLY = /\(sluice \S+ \S+\)$/
const SUPPRESSED_REPLY = /\(sluice suppressed \S+\)$/
/** Haraka's own, where no plugin takes the recipient, and what others say. */
const RELAY_REPLY = /^(?:I cannot deliver mail for|.{0,200}\brelay)/i
/** The enhanced code of a refusal (RFC 3463 §3): its class, and what in it. */
const ENHANCED = /^5\.(\d{1,3})\.(\d{1,3})\b/
/** The class of addressing; in it 7 and 8 are about the sender. */
const ADDRESSING = '1'
const OF_SENDER: readonly string[] = ['7', '8']
/** Without a code only the text can say that somebody is not there … */
const NOT_THERE = [
  /\b(?:no such|unknown|invalid|non-?existent|unrouteable|no|not a valid) (?:local |email )?(?:user|mailbox|recipient|address|account)\b/i,
  /\b(?:user|mailbox|recipient|address|account)\b[^:]{0,40}\b(?:unknown|unavailable|not found|not known|does ?n[o']t exist)\b/i,
]
/** … and that it is about something else: honest senders run into these. */
const ANOTHER_REASON = /\b(?:full|quota|policy|spam|block(?:ed|list\w*)|\w*listed)\b/i
/** More is no reply of a server in its senses (RFC 5321 §4.5.3.1.5: 512 octets). */
const MOST_TEXT = 600
/** RFC 5321 §4.2.3: storage exceeded, whatever the words. */
const STORAGE_EXCEEDED = 552
/** So many commands that move no mail are one offence: a few are normal. */
const JUNK_PER_OFFENCE = 20

/** Haraka's own; it asks no hook. */
const ANSWER_TO_HELP = 'Not implemented'

/** What Haraka says to RCPT or DATA without MAIL, and to DATA without a recipient that was taken. */
const [WRONG_ORDER, NO_RECIPIENTS] = [503, 554]

/** Told of every offence, in the session in which it happened. */
export type OffenceListener = (connection: Connection, session: Session, offence: Offence) => void

/** What sessions do wrong, told from the replies they get: Haraka tells plugins nothing of most of it. */
export class Conduct {
  private readonly listeners: OffenceListener[] = []

  /** @param judge what to say in place of a reply, when the session is over its bounds */
  constructor(
    private readonly sessions: Sessions,
    private readonly judge: (plugin: string, connection: Connection) => Answer,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  onOffence(listener: OffenceListener): void {
    this.listeners.push(listener)
  }

  /** From now on every reply of the session is counted in it. Idempotent. */
  watch(connection: Connection): Session {
    const session = this.sessions.of(connection)
    if (session.watched) return session
    session.watched = true
    watchReplies(connection).onReply = (code, text) => this.hearReply(connection, session, code, text)
    return session
  }

  /** Haraka is in the middle of answering: whatever happens here, its reply must be said. */
  private hearReply(connection: Connection, session: Session, code: number, text: string): Answer {
    try {
      if (!this.count(connection, session, code, text) || session.boundBy === undefined) return undefined
      return this.judge(session.boundBy, connection)
    } catch (error) {
      this.onFailure(error)
      return undefined
    }
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

  /** Plugin dnsbl has refused the client. */
  noteListed(connection: Connection): void {
    this.tell(connection, this.sessions.of(connection), 'listed')
  }

  /** The session is over: who hung up before Haraka told him that his login failed has tried all the same. */
  end(connection: Connection, session: Session): void {
    this.countAuth(connection, session)
  }

  /** Counts something that moves no mail. */
  countJunk(connection: Connection): void {
    const session = this.sessions.of(connection)
    this.forgiveJunk(connection, session)
    session.junk++
    if (++session.idle % JUNK_PER_OFFENCE === 0) this.tell(connection, session, 'junk')
  }

  /** A deferral moves no mail, and is no offence: it is we who were not ready. */
  private countDeferral(connection: Connection, session: Session): void {
    this.forgiveJunk(connection, session)
    session.junk++
  }

  private forgiveJunk({ msg_count: { accept } }: Connection, session: Session): void {
    if (accept <= session.delivered) return
    session.delivered = accept
    session.junk = 0
    session.idle = 0
  }

  /** Returns whether the reply counts against the session's bounds. */
  private count(connection: Connection, session: Session, code: number, text: string): boolean {
    if (commandOf(connection) === 'MAIL') session.mailRefused = code >= 400
    if (code < 400) {
      if (text !== ANSWER_TO_HELP) return false
      this.countJunk(connection)
      return true
    }
    // A mailing is no attack because some of its recipients have left; recipients have limits of their own.
    if (code >= 500 && SUPPRESSED_REPLY.test(text)) return false
    if (code < 500 || isAftermath(connection, session, code)) this.countDeferral(connection, session)
    else {
      session.errors++
      const offence = offenceOf(connection, code, text)
      if (offence === 'unknown_recipient' || offence === 'relay') session.unknownRecipients++
      if (offence && !(offence === 'unknown_recipient' && isBounce(connection))) this.tell(connection, session, offence)
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

/**
 * Whoever forges our addresses has honest servers send their bounces here; they must not be banned for it. Bounces have a
 * limit of their own.
 */
function isBounce({ transaction }: Connection): boolean {
  const from = transaction?.mail_from as EnvelopeAddress | null | undefined
  return from !== null && from !== undefined && !from.user
}

function commandOf({ current_line: line }: Connection): string {
  return (line ?? '').slice(0, 4).toUpperCase()
}

/**
 * Who pipelines (RFC 2920) sends RCPT and DATA before he has read that MAIL, or every recipient, was refused. Haraka calls
 * that a wrong order; it is the same refusal once more.
 */
function isAftermath(connection: Connection, session: Session, code: number): boolean {
  const command = commandOf(connection)
  if (code === WRONG_ORDER)
    return session.mailRefused && !connection.transaction && (command === 'RCPT' || command === 'DATA')
  return code === NO_RECIPIENTS && command === 'DATA' && (connection.transaction?.rcpt_to.length ?? 0) === 0
}

/** Which offence a refusal answers, if any. */
function offenceOf(connection: Connection, code: number, text: string): Offence | undefined {
  if (OWN_REPLY.test(text)) return undefined
  const command = commandOf(connection)
  if (command === 'RCPT' && !connection.relaying) {
    const said = unquoted(text)
    if (RELAY_REPLY.test(said) && ENHANCED.exec(said)?.[1] !== ADDRESSING) return 'relay'
    if (code !== STORAGE_EXCEEDED && isNotThere(said)) return 'unknown_recipient'
  }
  if (command === 'VRFY' || command === 'EXPN') return 'probe'
  // Content and policy are refused with 55x, a login with 535; what is wrong with the dialogue itself with 50x (RFC 5321
  // §4.2.1).
  return code < 510 ? 'protocol' : undefined
}

/** The addresses in a refusal are the client's own words. */
function unquoted(text: string): string {
  return text.slice(0, MOST_TEXT).replace(/<[^<>]*>|[^\s@]{1,256}@[^\s@]{1,256}/g, ' ')
}

/** Whether a refusal, without addresses, says that there is no such recipient. */
function isNotThere(said: string): boolean {
  const [, about, detail] = ENHANCED.exec(said) ?? []
  if (about !== undefined) return about === ADDRESSING && !OF_SENDER.includes(detail!)
  return NOT_THERE.some((words) => words.test(said)) && !ANOTHER_REASON.test(said)
}

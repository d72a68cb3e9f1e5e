import type { Reply } from './guard'
import type { Connection, DsnReply } from './types'

/** What Sluice does with the replies of one session. */
export interface ReplyWatch {
  /** Instead of Haraka's greeting, once. */
  greeting?: string
  /**
   * Told of every reply but those that end the session. What it returns is said in place of the reply, and ends the session: Haraka answers
   * wrong syntax and wrong order without asking any hook, so this is the only place to stop a client that goes on with it.
   */
  onReply?: (code: number, text: string) => Reply | undefined
}

const WATCH = Symbol('sluice replies')

type Message = string | readonly string[] | DsnReply
type Watched = Connection & { [WATCH]?: ReplyWatch }

const CLOSING = 421

/** The watch of a session; it begins with the first call. */
export function watchReplies(connection: Connection): ReplyWatch {
  const watched: Watched = connection
  return (watched[WATCH] ??= install(connection))
}

function install(connection: Connection): ReplyWatch {
  const watch: ReplyWatch = {}
  const reply = connection.respond.bind(connection)
  connection.respond = (code, message, done) => {
    const said = isDsn(message) ? message.code : code
    const instead =
      said === CLOSING ? undefined : watch.onReply?.(said, isDsn(message) ? message.reply : String(message))
    if (instead) return reply(CLOSING, textOf(instead), () => end(connection, done))
    if (said !== 220 || watch.greeting === undefined) return reply(code, message, done)
    const { greeting } = watch
    delete watch.greeting
    reply(code, greeting, done)
  }
  return watch
}

function isDsn(message: Message): message is DsnReply {
  return typeof message === 'object' && 'reply' in message
}

function end(connection: Connection, done: (() => void) | undefined): void {
  done?.()
  connection.disconnect()
}

/**
 * Ends a session from a hook whose answer Haraka ignores or words itself (RSET, NOOP, HELO, VRFY): 421, then
 * disconnect, which also cancels the hook that is running.
 */
export function endSession(connection: Connection, reply: Reply): void {
  connection.respond(CLOSING, textOf(reply), () => connection.disconnect())
}

function textOf({ message }: Reply): string {
  return typeof message === 'object' ? message.reply : (message ?? '4.7.0 Session ended')
}

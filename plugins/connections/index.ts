/**
 * Connection rate and parallel sessions of a client, and bounds on what one session may do. See README.md beside this.
 */
import {
  type Answer,
  type Connection,
  type EnvelopeAddress,
  type Runtime,
  endSession,
  sluicePlugin,
} from '../../src/haraka'

const NAME = 'connections'
const plugin = sluicePlugin(NAME)
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

/** The earliest hook whose answer counts: before Haraka spends a reverse lookup on the client. */
export const hook_lookup_rdns = plugin.hook('lookup_rdns', judgeClient)

/** XCLIENT may show another client and go straight here. */
export const hook_connect = plugin.hook('connect', judgeClient)

export const hook_helo = plugin.hook('helo', countHelo)
export const hook_ehlo = plugin.hook('ehlo', countHelo)
export const hook_noop = plugin.hook('noop', countJunk)
export const hook_rset = plugin.hook('rset', countJunk)
export const hook_vrfy = plugin.hook('vrfy', countJunk)

export const hook_mail = plugin.hook('mail', (runtime, connection) =>
  runtime.answer(NAME, 'mail', connection, connection.transaction ?? connection),
)

export const hook_rcpt = plugin.hook('rcpt', (runtime, connection, params) => {
  const [recipient] = params as [EnvelopeAddress]
  return runtime.answer(NAME, 'rcpt', connection, recipient, recipient)
})

function judgeClient(runtime: Runtime, connection: Connection): Answer | Promise<Answer> {
  runtime.conduct.holdToBounds(NAME, connection)
  return runtime.answerClient(NAME, connection)
}

function countHelo(runtime: Runtime, connection: Connection): Answer | Promise<Answer> {
  const session = runtime.sessions.of(connection)
  session.helos++
  // Twice is normal: before and after STARTTLS.
  return session.helos > 2 ? countJunk(runtime, connection) : undefined
}

function countJunk(runtime: Runtime, connection: Connection): Answer | Promise<Answer> {
  runtime.conduct.countJunk(connection)
  return judgeCommand(runtime, connection)
}

/** The answers of these hooks are ignored or reworded by Haraka, so the session is ended here. */
function judgeCommand(runtime: Runtime, connection: Connection): Answer | Promise<Answer> {
  const answer = runtime.answer(NAME, 'command', connection, {})
  return answer instanceof Promise ? answer.then((late) => obey(connection, late)) : obey(connection, answer)
}

function obey(connection: Connection, answer: Answer): undefined {
  if (answer) endSession(connection, answer)
}

/** What the reverse names and the HELO of a stranger tell of it. See README.md beside this. */
import { type Answer, type Connection, type EnvelopeAddress, type Runtime, sluicePlugin } from '../../src/haraka'

const NAME = 'rdns'
const plugin = sluicePlugin(NAME)
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

/** As early as can be, so that DNS has answered when somebody wants to know. */
export const hook_lookup_rdns = plugin.hook('lookup_rdns', askForNames)
/** XCLIENT may show another client and go straight here. */
export const hook_connect = plugin.hook('connect', askForNames)

/** The HELO that counts: after STARTTLS there is another. */
export const hook_mail = plugin.hook('mail', (runtime, connection) => {
  runtime.lookups.checkHelo(connection, runtime.sessions.of(connection))
  return undefined
})

export const hook_rcpt = plugin.hook('rcpt', (runtime, connection, params) => {
  const [recipient] = params as [EnvelopeAddress]
  return runtime.answer(NAME, 'rcpt', connection, recipient, recipient)
})

function askForNames(runtime: Runtime, connection: Connection): Answer {
  runtime.lookups.askReverse(connection, runtime.sessions.of(connection))
  return undefined
}

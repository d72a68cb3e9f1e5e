/** All that speaks for and against a stranger, in one sum, and what it leads to. See README.md beside this. */
import { type EnvelopeAddress, sluicePlugin } from '../../src/haraka'

const NAME = 'score'
const plugin = sluicePlugin(NAME)
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

/** Its replies tell what a session does wrong. */
export const hook_lookup_rdns = plugin.hook('lookup_rdns', (runtime, connection) => {
  runtime.conduct.watch(connection)
  return undefined
})

/** At RCPT all is known that will be known: DNS has answered, SPF has judged the sender. */
export const hook_rcpt = plugin.hook('rcpt', (runtime, connection, params) => {
  const [recipient] = params as [EnvelopeAddress]
  return runtime.answer(NAME, 'rcpt', connection, recipient, recipient)
})

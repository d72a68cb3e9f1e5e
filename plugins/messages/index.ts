/**
 * Rates of messages, recipients and bytes per client, sender, domain, recipient, account and tenant. See README.md
 * beside this.
 */
import { type EnvelopeAddress, sluicePlugin } from '../../src/haraka'

const NAME = 'messages'
const plugin = sluicePlugin(NAME)
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

export const hook_mail = plugin.hook('mail', (runtime, connection) =>
  runtime.answer(NAME, 'mail', connection, connection.transaction ?? connection),
)

/** Every attempt: a client that guesses recipients is counted too. */
export const hook_rcpt = plugin.hook('rcpt', (runtime, connection, params) => {
  const [recipient] = params as [EnvelopeAddress]
  return runtime.answer(NAME, 'rcpt', connection, recipient, recipient)
})

/** Only recipients that somebody is ready to take; here Haraka passes the address itself. */
export const hook_rcpt_ok = plugin.hook('rcpt_ok', (runtime, connection, params) => {
  const recipient = params as EnvelopeAddress
  return runtime.answer(NAME, 'rcpt_ok', connection, recipient, recipient)
})

export const hook_data_post = plugin.hook('data_post', (runtime, connection) =>
  runtime.answer(NAME, 'data_post', connection, connection.transaction ?? connection),
)

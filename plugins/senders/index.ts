/** Heeds what is ordered for accounts, tenants and clients, and orders it when too much of their mail comes back. See README.md. */
import { type EnvelopeAddress, sendersPlugin } from '../../src/haraka'

const NAME = 'senders'
const plugin = sendersPlugin(NAME)
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

/** Account and tenant are known here. */
export const hook_mail = plugin.hook('mail', (runtime, connection) =>
  runtime.answer(NAME, 'mail', connection, connection.transaction ?? connection),
)

export const hook_rcpt_ok = plugin.hook('rcpt_ok', (runtime, connection, params) => {
  const recipient = params as EnvelopeAddress
  return runtime.answer(NAME, 'rcpt_ok', connection, recipient, recipient)
})

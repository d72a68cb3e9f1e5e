/** Heeds what is ordered for accounts, tenants and clients: who is paused waits, who is slowed down goes slower. See README.md. */
import { type EnvelopeAddress, type HarakaPlugin, sluicePlugin } from '../../src/haraka'

const NAME = 'senders'
const plugin = sluicePlugin(NAME)
export const { shutdown, hook_init_master, hook_init_child } = plugin

export function register(this: HarakaPlugin): void {
  plugin.register.call(this)
  plugin.runtime(this).openSteering()
}

/** Account and tenant are known here. */
export const hook_mail = plugin.hook('mail', (runtime, connection) =>
  runtime.answer(NAME, 'mail', connection, connection.transaction ?? connection),
)

export const hook_rcpt_ok = plugin.hook('rcpt_ok', (runtime, connection, params) => {
  const recipient = params as EnvelopeAddress
  return runtime.answer(NAME, 'rcpt_ok', connection, recipient, recipient)
})

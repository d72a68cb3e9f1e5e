/** Addresses that no mail is sent to: refused or dropped when somebody of ours writes to them. See README.md beside this. */
import { type EnvelopeAddress, type HarakaPlugin, sluicePlugin } from '../../src/haraka'

const NAME = 'suppress'
const plugin = sluicePlugin(NAME)
export const { shutdown, hook_init_master, hook_init_child } = plugin

/** Asked before whoever queues, wherever this plugin is listed. */
const FIRST = -100

export function register(this: HarakaPlugin): void {
  plugin.register.call(this)
  plugin.runtime(this).openSuppressions()
  this.register_hook('queue', 'take_off', FIRST)
  this.register_hook('queue_outbound', 'take_off', FIRST)
}

export const hook_rcpt_ok = plugin.hook('rcpt_ok', (runtime, connection, params) => {
  const recipient = params as EnvelopeAddress
  return runtime.answer(NAME, 'rcpt_ok', connection, recipient, recipient)
})

export const take_off = plugin.hook('queue', (runtime, connection) => runtime.suppressions?.takeOff(connection))

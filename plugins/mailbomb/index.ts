/** A mailbox that many strangers write to at once takes a few of them, and all of its correspondents. See README.md beside this. */
import { type EnvelopeAddress, noteSender, sluicePlugin } from '../../src/haraka'

const NAME = 'mailbomb'
const plugin = sluicePlugin(NAME)
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

/** Only recipients that somebody is ready to take: guesses must not fill the store. */
export const hook_rcpt_ok = plugin.hook('rcpt_ok', (runtime, connection, params) => {
  const recipient = params as EnvelopeAddress
  return runtime.answer(NAME, 'rcpt_ok', connection, recipient, recipient)
})

/** Who was taken is a correspondent; who only asks whether he might is none. */
export const hook_queue_ok = plugin.hook('queue_ok', (runtime, connection) => {
  noteSender(runtime, connection)
  return undefined
})

/** A stranger's first message for a recipient is deferred, and taken when he comes back. See README.md beside this. */
import { type EnvelopeAddress, sluicePlugin } from '../../src/haraka'

const NAME = 'greylist'
const plugin = sluicePlugin(NAME)
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

/** Only recipients that somebody is ready to take: guesses must not fill the store. */
export const hook_rcpt_ok = plugin.hook('rcpt_ok', (runtime, connection, params) => {
  const recipient = params as EnvelopeAddress
  return runtime.answer(NAME, 'rcpt_ok', connection, recipient, recipient)
})

/** Remembers how clients behave, and what others make of it. See README.md beside this. */
import { type EnvelopeAddress, type HarakaPlugin, sluicePlugin } from '../../src/haraka'

const NAME = 'reputation'
const plugin = sluicePlugin(NAME)
export const { shutdown, hook_init_master, hook_init_child } = plugin

export function register(this: HarakaPlugin): void {
  plugin.register.call(this)
  plugin.runtime(this).openReputations()
}

export const hook_lookup_rdns = plugin.hook('lookup_rdns', (runtime, connection) => {
  runtime.conduct.watch(connection)
  return runtime.answerClient(NAME, connection)
})

/** The domain that SPF has proved is known by now. */
export const hook_rcpt = plugin.hook('rcpt', (runtime, connection, params) => {
  const [recipient] = params as [EnvelopeAddress]
  return runtime.answer(NAME, 'rcpt', connection, recipient, recipient)
})

/** The message is somewhere safe; whatever content filters think of it is noted. */
export const hook_queue_ok = plugin.hook('queue_ok', (runtime, connection) => {
  const { transaction } = connection
  if (transaction) runtime.reputations?.noteTaken(runtime.sessions.of(connection), transaction)
  return undefined
})

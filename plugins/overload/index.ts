/** Under overload, new clients are shed in steps: strangers first, known ones last. See README.md beside this. */
import { sluicePlugin, watchLoad } from '../../src/haraka'

const NAME = 'overload'
const plugin = sluicePlugin(NAME, watchLoad)
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

/** For whom the door lets in: those who are held, who come by a proxy or in TLS, and shadow. */
export const hook_lookup_rdns = plugin.hook('lookup_rdns', (runtime, connection) =>
  runtime.answerClient(NAME, connection),
)

/** XCLIENT may show another client and go straight here. */
export const hook_connect = plugin.hook('connect', (runtime, connection) => runtime.answerClient(NAME, connection))

/** AUTH has no hook that tells its result. */
export const hook_mail = plugin.hook('mail', (runtime, connection) => {
  if (connection.notes.auth_user !== undefined) runtime.load.meet(runtime.sessions.of(connection).client, true)
  return runtime.answer(NAME, 'mail', connection, connection.transaction ?? connection)
})

/** The last step before the message itself, which is what costs most. */
export const hook_data = plugin.hook('data', (runtime, connection) =>
  runtime.answer(NAME, 'data', connection, connection.transaction ?? connection),
)

export const hook_queue_ok = plugin.hook('queue_ok', (runtime, connection) => {
  runtime.load.meet(runtime.sessions.of(connection).client, false)
  return undefined
})

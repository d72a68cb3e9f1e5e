/**
 * Shuts out who is banned, at the first hook that can, and bans who does too much wrong. See README.md beside this.
 */
import { type Connection, type HarakaPlugin, type Runtime, sluicePlugin, triedAccount } from '../../src/haraka'

const NAME = 'jail'
const plugin = sluicePlugin(NAME, (_plugin, server, runtime) => runtime.door.keep(NAME, server))
export const { shutdown, hook_init_master, hook_init_child } = plugin

export function register(this: HarakaPlugin): void {
  plugin.register.call(this)
  plugin.runtime(this).openJail()
}

/** Most of the banned do not come past the door; the earliest hook whose answer counts is for the others. */
export const hook_lookup_rdns = plugin.hook('lookup_rdns', judgeClient)

/** XCLIENT may show another client and go straight here. */
export const hook_connect = plugin.hook('connect', judgeClient)

export const hook_helo = plugin.hook('helo', noteGreeting)
export const hook_ehlo = plugin.hook('ehlo', noteGreeting)

/** AUTH and the lines of its dialogue arrive here; so this plugin stands above those that check passwords. */
export const hook_unrecognized_command = plugin.hook('unrecognized_command', async (runtime, connection, params) => {
  const account = triedAccount(connection, params as string[])
  await runtime.jail?.login(runtime.sessions.of(connection), account, runtime.tarpit)
  return undefined
})

/** Accounts and sender domains are known here. */
export const hook_mail = plugin.hook('mail', (runtime, connection) =>
  runtime.answer(NAME, 'mail', connection, connection.transaction ?? connection),
)

function judgeClient(runtime: Runtime, connection: Connection) {
  runtime.conduct.watch(connection)
  return runtime.answerClient(NAME, connection)
}

function noteGreeting(runtime: Runtime, connection: Connection): undefined {
  runtime.conduct.noteGreeting(connection)
}

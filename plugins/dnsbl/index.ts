/** Strangers whom DNS lists name are deferred or refused, by the sum of the lists. See README.md beside this. */
import { type Answer, type Connection, type EnvelopeAddress, type Runtime, sluicePlugin } from '../../src/haraka'

const NAME = 'dnsbl'
const plugin = sluicePlugin(NAME)
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

/** As early as can be, so that the lists have answered when somebody wants to know. */
export const hook_lookup_rdns = plugin.hook('lookup_rdns', askAboutClient)
/** XCLIENT may show another client and go straight here. */
export const hook_connect = plugin.hook('connect', askAboutClient)

export const hook_helo = plugin.hook('helo', askAboutHelo)
export const hook_ehlo = plugin.hook('ehlo', askAboutHelo)

export const hook_mail = plugin.hook('mail', (runtime, connection, params) => {
  const [sender] = params as [EnvelopeAddress]
  const host = sender.host ?? sender.original_host ?? ''
  runtime.lookups.askLists(connection, runtime.sessions.of(connection), 'sender', host === '' ? undefined : host)
  return undefined
})

export const hook_rcpt = plugin.hook('rcpt', (runtime, connection, params) => {
  const [recipient] = params as [EnvelopeAddress]
  return runtime.answer(NAME, 'rcpt', connection, recipient, recipient)
})

function askAboutClient(runtime: Runtime, connection: Connection): Answer {
  const session = runtime.sessions.of(connection)
  runtime.lookups.askLists(connection, session, 'client', session.client.address)
  return undefined
}

function askAboutHelo(runtime: Runtime, connection: Connection, params: unknown): Answer {
  runtime.lookups.askLists(connection, runtime.sessions.of(connection), 'helo', params as string)
  return undefined
}

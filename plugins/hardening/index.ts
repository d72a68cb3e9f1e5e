/**
 * Small refusals that cost honest mail nothing: VRFY and EXPN, a banner that tells nothing, classic relay tricks. See
 * README.md beside this.
 */
import {
  type Answer,
  type Connection,
  DENY,
  type EnvelopeAddress,
  OK,
  type Runtime,
  sluicePlugin,
  smtpReply,
  watchReplies,
} from '../../src/haraka'

const plugin = sluicePlugin('hardening')
export const { register, shutdown, hook_init_master, hook_init_child } = plugin

export const hook_lookup_rdns = plugin.hook('lookup_rdns', plainGreeting)
/** XCLIENT greets anew, and may go straight here. */
export const hook_connect = plugin.hook('connect', plainGreeting)

/**
 * `HOST ESMTP`, nothing of the software or the session. RFC 5321 §4.2: the host name comes first. An answer with a text
 * would end the chain of connect hooks, and another plugin's OK would keep ours from being asked; so the reply itself is
 * worded, when Haraka sends it.
 */
function plainGreeting(runtime: Runtime, connection: Connection): Answer {
  if (runtime.policy.config.hardening.banner !== 'minimal') return undefined
  // Also what the Received header says of us.
  connection.local.info = 'ESMTP'
  watchReplies(connection).greeting = `${connection.local.host} ESMTP`
  return undefined
}

/** DENY would answer 550 and wipe an open transaction; OK with a reply of its own leaves it. */
export const hook_vrfy = plugin.hook('vrfy', (runtime, connection) =>
  refuseProbe(runtime, connection, 'VRFY')
    ? { code: OK, message: smtpReply(502, '5.5.1 VRFY is disabled') }
    : undefined,
)

/** Haraka knows no EXPN: it arrives here, together with STARTTLS and AUTH. */
export const hook_unrecognized_command = plugin.hook('unrecognized_command', (runtime, connection, params) => {
  const [command] = params as [string]
  if (command.toUpperCase() !== 'EXPN' || !refuseProbe(runtime, connection, 'EXPN')) return undefined
  runtime.conduct.countJunk(connection)
  return { code: DENY, message: smtpReply(502, '5.5.1 EXPN is disabled') }
})

export const hook_rcpt = plugin.hook('rcpt', (runtime, connection, params): Answer => {
  const [recipient] = params as [EnvelopeAddress]
  if (runtime.policy.config.hardening.relay !== 'guard' || connection.relaying) return undefined
  if (!isRelayTrick(recipient)) return undefined
  return { code: DENY, message: smtpReply(550, '5.7.1 Relaying denied: routed address') }
})

function refuseProbe(runtime: Runtime, connection: Connection, command: 'VRFY' | 'EXPN'): boolean {
  if (runtime.policy.config.hardening.vrfy !== 'refuse') return false
  runtime.stream.emit({ kind: 'probe', at: Date.now(), ip: connection.remote.ip, command })
  return true
}

/**
 * `user%host@us`, `host!user@us`, `"user@host"@us` and source routes: a local part that carries another destination,
 * for a server behind us that would follow it.
 */
function isRelayTrick({ user, original }: EnvelopeAddress): boolean {
  return /[%!@]/.test(user ?? '') || /^<?@/.test(original ?? '')
}

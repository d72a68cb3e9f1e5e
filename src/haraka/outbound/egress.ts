import type { EgressProfile } from '../../egress/profile'
import { type SluicePlugin, sluicePlugin } from '../plugin'
import type { HarakaPlugin } from '../types'
import { demandsOfProfile } from './demands'
import { reuseSessions } from './install'
import type { SessionPools } from './pool'

/** The same for all hosts. Sessions are modest, so that they suit those that count messages; times are of RFC 5321 §4.5.3.2. */
const PROFILE: Pick<EgressProfile, 'sessions' | 'timeouts' | 'tls'> = {
  sessions: { messages: 50, idleMs: 5000 },
  tls: { demand: 'opportunistic', minVersion: undefined },
  timeouts: {
    connectMs: 30_000,
    greetingMs: 300_000,
    ehloMs: 300_000,
    starttlsMs: 120_000,
    mailMs: 300_000,
    rcptMs: 300_000,
    dataMs: 120_000,
    dotMs: 600_000,
  },
}

/** Plugin egress: the frame of every plugin, and sessions that are reused from when this process delivers until it ends. */
export function egressPlugin(
  name: string,
): Pick<SluicePlugin, 'register' | 'shutdown' | 'hook_init_master' | 'hook_init_child'> {
  let pools: SessionPools | undefined
  const demands = demandsOfProfile(PROFILE)
  const policy = { demandsOf: () => demands, attemptOf: () => undefined, mayConnect: () => undefined }
  const plugin = sluicePlugin(name, (by) => (pools = reuseSessions(by, policy)))
  return {
    ...plugin,
    shutdown(this: HarakaPlugin) {
      pools?.close()
      plugin.shutdown.call(this)
    },
  }
}

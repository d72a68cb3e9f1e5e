import { type SluicePlugin, sluicePlugin } from '../plugin'
import type { HarakaPlugin } from '../types'
import { reuseSessions } from './install'
import type { SessionLimits, SessionPools } from './pool'

/** The same for all hosts. Modest, so that it suits those that count messages a session. */
const LIMITS: SessionLimits = { messages: 50, idleMs: 5000 }

/** Plugin egress: the frame of every plugin, and sessions that are reused from when this process delivers until it ends. */
export function egressPlugin(
  name: string,
): Pick<SluicePlugin, 'register' | 'shutdown' | 'hook_init_master' | 'hook_init_child'> {
  let pools: SessionPools | undefined
  const plugin = sluicePlugin(name, (by) => (pools = reuseSessions(by, LIMITS)))
  return {
    ...plugin,
    shutdown(this: HarakaPlugin) {
      pools?.close()
      plugin.shutdown.call(this)
    },
  }
}

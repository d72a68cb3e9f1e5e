import { type Gate, meritIndex } from '../../policy/gate'
import { REPUTATION_PLUGIN, bearersOf, readMerit } from './merits'
import type { ReputationPolicy } from './reputation'

/**
 * Reads what is remembered of a client when it connects, and of its sender's domain when SPF has proved that. It finds
 * nothing wrong by itself: others use what it has read, from the same session on.
 */
export function reputationGate(policy: ReputationPolicy): Gate {
  if (policy.mode.kind === 'off') return { plugin: REPUTATION_PLUGIN, stages: [], ask: () => undefined }
  return {
    plugin: REPUTATION_PLUGIN,
    stages: ['connect', 'rcpt'],
    ask: (subject, asks) => {
      if (subject.client.trusted) return
      if (subject.stage === 'connect') {
        for (const [bearer, name] of bearersOf(subject.client)) {
          meritIndex(asks, readMerit(bearer, name, policy))
        }
        return
      }
      const { spfDomain, direction, session } = subject
      // The domain stays the same for the whole message.
      if (spfDomain === undefined || direction === 'submission' || session.recipients > 1) return
      meritIndex(asks, readMerit('domain', spfDomain, policy))
    },
  }
}

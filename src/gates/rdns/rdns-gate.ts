import type { Rule } from '../../policy/decision'
import type { Gate } from '../../policy/gate'
import { type Mode, isEnforced } from '../../policy/mode'
import { addUp } from '../../policy/signal'
import type { Subject } from '../../policy/subject'
import { knownBecause } from '../known'

export interface RdnsPolicy {
  readonly mode: Mode
  /** What an IPv6 client without a reverse name gets besides its points. */
  readonly missingIpv6: 'signal' | 'defer' | 'reject'
}

export const RDNS_PLUGIN = 'rdns'
/** The signal that the address has no name at all; there for every such IPv6 client, with its points. */
export const NO_PTR = 'no_ptr'

/** Refuses IPv6 clients without a reverse name, where that is wanted. All else that rdns finds are points for the score. */
export function rdnsGate({ mode, missingIpv6 }: RdnsPolicy): Gate {
  if (mode.kind === 'off' || missingIpv6 === 'signal') return { plugin: RDNS_PLUGIN, stages: [], ask: () => undefined }
  const rule: Rule = {
    ...{ name: RDNS_PLUGIN, plugin: RDNS_PLUGIN, mode, remedy: missingIpv6, onError: 'accept' },
    text: 'Your IPv6 address has no reverse name (PTR)',
  }
  return {
    plugin: RDNS_PLUGIN,
    stages: ['rcpt'],
    ask: (subject, _asks, exemptions) => {
      const because = isNameless(subject) ? knownBecause(subject) : undefined
      if (because !== undefined) exemptions.push({ rule: RDNS_PLUGIN, because })
    },
    inspect: (subject, findings, notes) => {
      if (!isNameless(subject) || knownBecause(subject) !== undefined) return
      notes.score ??= addUp(subject.signals)
      const { ip } = subject.client
      findings.push({
        ...{ rule, key: `rdns|${ip}`, enforced: isEnforced(mode, ip), reason: 'rdns' },
        ...{ count: 0, limit: 1, windowMs: 0, retryAfterMs: 0 },
      })
    },
  }
}

function isNameless({ client, signals }: Subject): boolean {
  return client.address.family === 6 && signals.some(({ source, name }) => source === RDNS_PLUGIN && name === NO_PTR)
}

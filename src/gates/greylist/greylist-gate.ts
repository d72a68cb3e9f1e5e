import { keyText } from '../../keys/key'
import type { Rule } from '../../policy/decision'
import type { Gate } from '../../policy/gate'
import { type Mode, isEnforced } from '../../policy/mode'
import type { Subject } from '../../policy/subject'
import { findOverride, isEmpty } from '../limits/override'
import { knownBecause } from '../known'
import { type Dimension, NETWORK_TIER, type Overrides, tierText } from '../limits/rule'

/** Greylisting (RFC 6647): a stranger's first message for a recipient is deferred, and taken when he comes back. */
export interface Greylist {
  readonly mode: Mode
  readonly delayMs: number
  /** How long after the first try a client may come back. */
  readonly retryMs: number
  /** How long a triplet is known after its last message. */
  readonly passMs: number
  /** Who is taken at once: senders, recipients and networks. */
  readonly allow: Overrides
}

export const GREYLIST_PLUGIN = 'greylist'
const ALLOWED_BY: readonly Dimension[] = ['sender', 'recipient']

/**
 * The key is client, sender and recipient. The client is the domain that SPF has proved, since large senders retry from
 * whichever of their addresses is free; else its network, /24 or /64. Tags are folded away, as everywhere.
 */
export function greylistGate(greylist: Greylist): Gate {
  const { mode, delayMs, retryMs, passMs, allow } = greylist
  if (mode.kind === 'off') return { plugin: GREYLIST_PLUGIN, stages: [], ask: () => undefined }
  const allowsSome = !isEmpty(allow)
  const rule: Rule = {
    name: 'greylist',
    plugin: GREYLIST_PLUGIN,
    mode,
    remedy: 'defer',
    onError: 'accept',
    text: 'Greylisted, as you are new to this recipient',
  }
  return {
    plugin: GREYLIST_PLUGIN,
    stages: ['rcpt_ok'],
    ask: (subject, asks, exemptions) => {
      const because = knownBecause(subject) ?? (allowsSome ? allowedBy(allow, subject) : undefined)
      if (because !== undefined) {
        exemptions.push({ rule: rule.name, because })
        return
      }
      const key = keyOf(subject)
      asks.push({ rule, ask: { op: 'triplet', key, enforced: isEnforced(mode, key), delayMs, retryMs, passMs } })
    },
  }
}

function allowedBy(allow: Overrides, subject: Subject): string | undefined {
  const found = findOverride(allow, ALLOWED_BY, subject)
  return found && `greylist.allow ${found.entry}`
}

function keyOf({ client, spfDomain, sender, recipient }: Subject): string {
  const origin = spfDomain ?? tierText(client.address, NETWORK_TIER)
  return keyText('greylist', [origin, sender?.address ?? '<>', recipient?.address ?? ''])
}

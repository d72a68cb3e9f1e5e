import type { Rule } from '../../policy/decision'
import type { Gate } from '../../policy/gate'
import { type Mode, isEnforced } from '../../policy/mode'
import { type Suppression, type SuppressionReason, saySuppression, suppressionKey } from '../../policy/suppression'

export interface SuppressionPolicy {
  readonly mode: Mode
  /** `refuse`: the client is told at RCPT. `drop`: the recipient is accepted, and the message does not go to him. */
  readonly atRcpt: 'refuse' | 'drop'
  /** How long each reason is kept, in milliseconds. */
  readonly keepMs: Readonly<Record<SuppressionReason, number>>
}

export const SUPPRESS_PLUGIN = 'suppress'
/** RFC 3463 §3.2: what programs that submit mail take an address off their lists for. */
const STATUS = '5.1.1'

/** Refuses, or drops, recipients that no mail is sent to. They were looked up before: no store is asked here. */
export function suppressGate({ mode, atRcpt }: SuppressionPolicy): Gate {
  if (mode.kind === 'off') return { plugin: SUPPRESS_PLUGIN, stages: [], ask: () => undefined }
  return {
    plugin: SUPPRESS_PLUGIN,
    stages: ['rcpt_ok'],
    ask: () => undefined,
    inspect: ({ suppressed }, findings) => {
      if (!suppressed) return
      const key = suppressionKey(suppressed.address, suppressed.tenant)
      findings.push({
        rule: ruleFor(suppressed, mode, atRcpt),
        key,
        enforced: isEnforced(mode, key),
        count: 0,
        limit: 0,
        windowMs: Math.max(0, suppressed.until - suppressed.since),
        // Nobody waits for weeks: whoever wants it sooner is told what to type.
        retryAfterMs: 0,
        reason: 'suppressed',
      })
    },
  }
}

function ruleFor(suppressed: Suppression, mode: Mode, atRcpt: SuppressionPolicy['atRcpt']): Rule {
  return {
    name: 'suppressed',
    plugin: SUPPRESS_PLUGIN,
    mode,
    remedy: atRcpt === 'drop' ? 'drop' : 'reject',
    onError: 'accept',
    text: saySuppression(suppressed),
    status: STATUS,
  }
}

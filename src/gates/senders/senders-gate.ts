import { keyText } from '../../keys/key'
import type { Finding, Rule } from '../../policy/decision'
import type { Gate } from '../../policy/gate'
import type { SenderOrder, Subject } from '../../policy/subject'

export const SENDERS_PLUGIN = 'senders'

const RULE: Omit<Rule, 'name' | 'text' | 'mode'> = { plugin: SENDERS_PLUGIN, remedy: 'defer', onError: 'accept' }
const ENFORCED = { ...RULE, mode: { kind: 'enforce' } } as const
const SHADOW = { ...RULE, mode: { kind: 'shadow' } } as const

const paused = { name: 'sender_paused', text: 'Sending is paused here until somebody has looked at it' } as const
const slowed = { name: 'sender_slowed', text: 'Too many recipients while sending is slowed down here' } as const
const RULES = {
  paused: [
    { ...SHADOW, ...paused },
    { ...ENFORCED, ...paused },
  ],
  slowed: [
    { ...SHADOW, ...slowed },
    { ...ENFORCED, ...slowed },
  ],
} as const satisfies Record<string, readonly [Rule, Rule]>

/**
 * Defers the mail of accounts, tenants and clients that are paused, and holds those that are slowed down to their rate of
 * recipients. It is never refused for good: what was paused is released, and the mail comes back.
 */
export function sendersGate(): Gate {
  return {
    plugin: SENDERS_PLUGIN,
    stages: ['mail', 'rcpt_ok'],
    ask({ stage, orders }, asks) {
      if (stage !== 'rcpt_ok') return
      for (const { target, messageRate, holds } of orders) {
        if (messageRate === undefined) continue
        const rule = RULES.slowed[holds ? 1 : 0]
        const key = keyText(rule.name, [target])
        asks.push({ rule, ask: { op: 'window', key, enforced: holds, windows: [messageRate], cost: 1 } })
      }
    },
    inspect(subject, findings) {
      if (subject.stage !== 'mail') return
      for (const order of subject.orders) if (order.suspended) findings.push(pausedBy(order, subject))
    },
  }
}

function pausedBy({ id, target, holds, since, until }: SenderOrder, { at }: Subject): Finding {
  return {
    rule: RULES.paused[holds ? 1 : 0],
    key: target,
    enforced: holds,
    count: 0,
    limit: 0,
    windowMs: until - since,
    retryAfterMs: Math.max(1, until - at),
    reason: 'paused',
    ref: id,
  }
}

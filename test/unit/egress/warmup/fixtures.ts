import { Calendar } from '../../../../src/egress/warmup/calendar'
import type { Ladder } from '../../../../src/egress/warmup/ladder'
import type { WarmupPolicy } from '../../../../src/egress/warmup/policy'

export const LADDER: Ladder = { start: 100, growth: 0.3, stages: undefined, until: 10_000, cools: true }

export function policyWith(more: Partial<WarmupPolicy> & { readonly ladder?: Partial<Ladder> } = {}): WarmupPolicy {
  const { ladder, ...rest } = more
  return {
    mode: { kind: 'enforce' },
    calendar: new Calendar('UTC'),
    spread: undefined,
    judgement: { used: 0.8, delivered: 0.9, bounces: 0.05, deferrals: 0.1, complaints: 0.001, least: 50 },
    rest: { below: 0.1, after: 7, over: 30 },
    sources: new Map([['fresh', { ladder: { ...LADDER, ...ladder }, groups: undefined }]]),
    tenants: undefined,
    ...rest,
  }
}

/** All of it went well. */
export function allWell(sent: number) {
  return { sent, delivered: sent, bounced: 0, deferred: 0, complaints: 0 }
}

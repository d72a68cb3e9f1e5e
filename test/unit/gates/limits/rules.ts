import {
  CLIENT_TIER,
  type Count,
  type Dimension,
  type Limit,
  type LimitRule,
  NO_OVERRIDES,
} from '../../../../src/gates/limits/rule'
import { rule } from '../../telemetry/fixtures'

/** How long conduct is remembered, in these tests. */
export const MEMORY = { halfLifeMs: 14 * 86_400_000, keepMs: 60 * 86_400_000 }

export const perMinute = (limit: number): Limit => ({ kind: 'windows', windows: [{ limit, windowMs: 60_000 }] })

/** A limit rule named `mine` of the plugin `messages`, 5/min, enforced. */
export function limitRule(count: Count, per: readonly Dimension[], changes: Partial<LimitRule> = {}): LimitRule {
  return {
    ...rule({ name: 'mine' }),
    count,
    per,
    limit: perMinute(5),
    tiers: [CLIENT_TIER],
    exemptTrusted: true,
    exemptAuthenticated: false,
    direction: undefined,
    untilProven: false,
    scales: true,
    overrides: NO_OVERRIDES,
    ...changes,
  }
}

import { z } from 'zod'
import type { AutomationPolicy } from '../../feedback/automation/policy'
import { durationMs, mode, share, windowOf } from '../values'
import { compileOwnAddresses, ownAddressesSchema } from './own-addresses'
import { GUARD_DEFAULTS, compileGuard, compileTold, guardSchema, toldShape } from './guard'

/** What holds where the file says nothing, but for blame and own_addresses. */
export const AUTOMATION_DEFAULTS = {
  mode: 'shadow',
  owners: {},
  postmaster: false,
  webhook: false,
  guard: GUARD_DEFAULTS,
} as const

export const automationSchema = z.strictObject({
  mode: mode.describe(
    'Of its own: what rules of sluice/responses.yaml order, and what is ordered for senders by itself',
  ),
  blame: z
    .strictObject({
      window: durationMs.describe('How far back answers are looked at'),
      least: z.number().int().min(1).max(1_000_000).describe('Of fewer bad answers nobody is blamed'),
      share: share.describe('Of all bad answers so many are of one sender'),
      times: z.number().min(1).max(1000).describe('And so many times as many in a hundred as the others have'),
      slow: windowOf.describe('Recipients that the one may still have, at first'),
      pause: durationMs.describe('When it goes on, for so long nothing is sent'),
    })
    .describe('Finding the sender that makes a provider think ill of us'),
  ...toldShape,
  guard: guardSchema,
  own_addresses: ownAddressesSchema,
})

export function compileAutomation(section: z.output<typeof automationSchema>): AutomationPolicy {
  const { window: windowMs, least, share: part, times, slow, pause: pauseMs } = section.blame
  return {
    mode: section.mode,
    blame: { windowMs, least, share: part, times, slow, pauseMs },
    guard: compileGuard(section.guard),
    told: compileTold(section),
    ownAddresses: compileOwnAddresses(section.own_addresses),
  }
}

import { z } from 'zod'
import type { AutomationPolicy } from '../../feedback/automation/policy'
import { mode } from '../values'

export const automationSchema = z.strictObject({
  mode: mode.describe(
    'Of its own: what rules of sluice/responses.yaml order, and what is ordered for senders by itself',
  ),
})

export function compileAutomation(section: z.output<typeof automationSchema>): AutomationPolicy {
  return { mode: section.mode }
}

import { z } from 'zod'
import { MOST_KEPT_MS } from '../../feedback/suppression'
import type { SuppressionPolicy } from '../../gates/suppress/suppress-gate'
import { readDuration } from '../units'
import { mode, unit } from '../values'

const keep = unit((text) => readDuration(text, MOST_KEPT_MS))

export const suppressionSchema = z.strictObject({
  mode: mode.describe('Of its own, since it keeps mail from people'),
  at_rcpt: z
    .enum(['refuse', 'drop'])
    .describe('refuse: 550 5.1.1 at RCPT; drop: the recipient is accepted, and the message does not go to him'),
  keep: z
    .strictObject({
      hard_bounce: keep.describe('A mailbox may be made again'),
      complaint: keep.describe('He has said it was spam'),
      unsubscribe: keep.describe('He does not want it any more'),
      manual: keep.describe('What people add by hand'),
    })
    .describe('How long an address stays on the list, by its reason'),
})

export function compileSuppression(section: z.output<typeof suppressionSchema>): SuppressionPolicy {
  return { mode: section.mode, atRcpt: section.at_rcpt, keepMs: section.keep }
}

import { z } from 'zod'
import type { MailbombPolicy } from '../../gates/mailbomb/mailbomb-gate'
import { MOST_DISTINCT } from '../../store/store'
import { durationMs, memoryMs, mode } from '../values'

export const mailbombSchema = z.strictObject({
  mode: mode.describe('Of its own, since some mailboxes do get mail from many strangers'),
  strangers: z
    .number()
    .int()
    .min(1)
    .max(MOST_DISTINCT)
    .describe('Different new senders that one mailbox takes within the window; the rest is deferred'),
  window: durationMs.describe('The window'),
  memory: memoryMs.describe('Who has written to a mailbox, or was written to from it, is no stranger for so long'),
})

export function compileMailbomb(section: z.output<typeof mailbombSchema>, correspondentsMs: number): MailbombPolicy {
  const { strangers, window, memory } = section
  return { mode: section.mode, strangers, windowMs: window, memoryMs: memory, correspondentsMs }
}

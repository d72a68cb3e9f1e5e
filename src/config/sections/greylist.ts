import { z } from 'zod'
import type { Greylist } from '../../gates/greylist/greylist-gate'
import { buildOverrides } from '../maps'
import { correspondent, durationMs, memoryMs, mode } from '../values'

export const greylistSchema = z
  .strictObject({
    mode: mode.describe('Of its own, since it delays honest mail too'),
    delay: durationMs
      .refine((ms) => ms <= 3_600_000, 'at most 1h: honest servers give up, and people complain long before')
      .describe('A stranger may come back after this'),
    retry: memoryMs.describe('He must come back within this, or begins anew'),
    pass: memoryMs.describe('Who has passed is known for so long after his last message'),
    allow: z
      .array(correspondent)
      .max(10_000)
      .describe('Taken at once: senders, recipients (addresses or domains) and networks'),
    score: z
      .union([z.literal(false), z.number().min(0.1).max(1000)])
      .describe('Only strangers with at least so many points (see score) are greylisted; false: all'),
    vouched: z
      .number()
      .refine((points) => points < 0, 'must be below 0: at 0 every client that no list names would be taken at once')
      .describe(
        'A client whose points from DNS lists are this or less is taken at once: allow lists have points below 0',
      ),
  })
  .refine(({ delay, retry }) => retry > delay, {
    path: ['retry'],
    message: 'must be longer than delay, or nobody ever passes',
  })

export function compileGreylist(
  section: z.output<typeof greylistSchema>,
  shared: Pick<Greylist, 'weights' | 'reputation' | 'correspondentsMs'>,
): Greylist {
  return {
    mode: section.mode,
    delayMs: section.delay,
    retryMs: section.retry,
    passMs: section.pass,
    fromScore: section.score === false ? undefined : section.score,
    vouched: section.vouched,
    ...shared,
    allow: buildOverrides(section.allow.map((key) => ({ key, value: 'exempt' as const }))),
  }
}

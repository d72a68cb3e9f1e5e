import { z } from 'zod'
import type { Overload } from '../../gates/overload/overload-gate'
import { durationMs, mode, share, sizeBytes } from '../values'

export const overloadSchema = z.strictObject({
  mode: mode.describe('Of its own, since it turns honest clients away too'),
  loop: share.describe('Share of the time for which the event loop is busy'),
  delay: durationMs.describe('How late the event loop is'),
  cpu: share.describe('Share of the processors that this process may use'),
  memory: share.describe('Share of the memory that this process may use'),
  disk_free: sizeBytes.describe('Least space free where the queue and the data are'),
  queue: z.number().int().min(1).max(10_000_000).describe('Messages waiting for a delivery to be free, in one process'),
  sessions: z.number().int().min(1).max(1_000_000).describe('Sessions open at a time, in one process'),
  hold: durationMs
    .refine((ms) => ms <= 20_000, 'at most 20s: Haraka gives a hook 30s, and clients lose patience')
    .describe('Longest wait of strangers in the first step, within the bounds of tarpit'),
  again: durationMs
    .refine((ms) => ms >= 1000, 'at least 1s')
    .describe('A deferred client may come back within this, and draws its lot anew'),
})

/** Nobody is held for longer than the tarpit holds anybody. */
export function compileOverload(section: z.output<typeof overloadSchema>, longestMs: number): Overload {
  return { mode: section.mode, holdMs: Math.min(section.hold, longestMs), againMs: section.again }
}

import { z } from 'zod'
import type { ReputationPolicy } from '../../gates/reputation/reputation'
import { memoryMs, mode } from '../values'

export const reputationSchema = z.strictObject({
  mode: mode.describe('Of its own: enforce lets it scale limits, from a quarter to four times'),
  half_life: memoryMs.describe('What is remembered counts half after this time'),
  keep: memoryMs.describe('Forgotten after this time without a session'),
  points: z.number().min(0).max(100).describe('Of the worst reputation in the score; the best has as many below 0'),
  asn_database: z
    .union([z.literal(false), z.string().min(1)])
    .describe('File in the format of MaxMind, relative to the Haraka directory; read at start; false: none'),
})

export function compileReputation(section: z.output<typeof reputationSchema>): ReputationPolicy {
  return { mode: section.mode, halfLifeMs: section.half_life, keepMs: section.keep, points: section.points }
}

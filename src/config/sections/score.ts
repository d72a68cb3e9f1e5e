import { z } from 'zod'
import type { ScorePolicy } from '../../gates/score/score-gate'
import { durationMs, isRising, mode, points, weight } from '../values'

export const scoreSchema = z
  .strictObject({
    mode: mode.describe('Of its own, since it judges by signs and not by what somebody does'),
    delay: points.describe('From so many points on a stranger is held before a recipient is taken; false: never'),
    hold: durationMs
      .refine((ms) => ms <= 20_000, 'at most 20s: Haraka gives a hook 30s, and clients lose patience')
      .describe('How long; also bounded by tarpit'),
    defer: points.describe('From so many points on recipients are deferred (450); false: never'),
    reject: points.describe('From so many points on recipients are refused (550); false: never'),
    weights: z
      .strictObject({
        spf_fail: weight.describe('SPF says that the client may not send for this domain (haraka-plugin-spf)'),
        spf_softfail: weight.describe('SPF says that it probably may not'),
        auth_failure: weight.describe('Each failed login'),
        unknown_recipient: weight.describe('Each recipient that nobody takes'),
        error: weight.describe('Each other wrong command'),
        early: weight.describe('It spoke before it was greeted'),
      })
      .describe('Points of what the session itself shows; DNS lists, reverse DNS and reputation bring their own'),
  })
  .refine(({ delay, defer, reject }) => isRising([delay, defer, reject]), {
    path: ['defer'],
    message: 'delay, defer and reject must rise: what is graver needs more points',
  })

/** Nobody is held for longer than the tarpit holds anybody: it would not take him at all. */
export function compileScore(section: z.output<typeof scoreSchema>, longestMs: number): ScorePolicy {
  const { delay, defer, reject, hold, weights } = section
  return { mode: section.mode, thresholds: { delay, defer, reject }, holdMs: Math.min(hold, longestMs), weights }
}

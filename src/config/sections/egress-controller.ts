import { z } from 'zod'
import type { ControllerPolicy } from '../../egress/controller-policy'
import { LEAST_FACTOR, SLOWEST_MS } from '../../egress/steering-action'
import type { Window } from '../../store/store'
import { type Read, namesSize, readWindow } from '../units'
import { durationMs, mode, share, unit } from '../values'

const count = z.number().int().min(1).max(1_000_000)
const factor = share.refine((value) => value >= LEAST_FACTOR, `at least ${LEAST_FACTOR * 100}%`)
const rate = unit((text): Read<Window> =>
  namesSize(text) ? { problem: `"${text}" counts bytes: write a number per time, such as 6/min` } : readWindow(text),
).refine(({ limit, windowMs }) => windowMs / limit <= SLOWEST_MS, 'at least 1/min')
/** Slots of steps are remembered no longer. */
const wait = durationMs.refine((ms) => ms >= 1000 && ms <= 86_400_000, 'from 1s to 1d')

/** What holds where the file says nothing. */
export const CONTROLLER_DEFAULTS = {
  mode: 'shadow',
  window: '5m',
  throttles: 3,
  soft_bounces: { share: '10%', least: 20 },
  decrease: '50%',
  floor: '0.1%',
  recovery: { step: '10%', every: '5m' },
  cooldown: '1m',
  outage: { share: '90%', least: 10 },
  suspend: { first: '5m', longest: '1h' },
  trial: { messages: 3, rate: '6/min' },
  keep: '2h',
  breaker: { times: 4, least: 500, factor: '50%', longest: '1h' },
} as const

export const controllerSchema = z
  .strictObject({
    mode: mode.describe('Of its own, by path: in shadow it says what it would have done'),
    window: wait.describe('So far back answers count'),
    throttles: count.describe('So many throttling answers within the window slow a path down'),
    soft_bounces: z
      .strictObject({
        share: share.describe('This share of attempts put off or without an answer slows a path down'),
        least: count.describe('Among at least so many attempts'),
      })
      .describe('Soft bounces within the window'),
    decrease: factor
      .refine((value) => value <= 0.95, 'at most 95%')
      .describe('A path that is slowed down keeps this part of its rate and connections'),
    floor: factor.describe('But never less than this part of its profile'),
    recovery: z
      .strictObject({
        step: share.describe('Of the profile, and at most half of what the path has'),
        every: wait.describe('Without trouble, and in use'),
      })
      .describe('What a path gets back'),
    cooldown: wait.describe('Least time between two steps of a path, over all servers'),
    outage: z
      .strictObject({
        share: share.describe('This share of attempts put off or without an answer suspends a path'),
        least: count.describe('Among at least so many attempts'),
      })
      .describe('Nobody is there, or nobody takes anything'),
    suspend: z
      .strictObject({
        first: wait.describe('Length of the first suspension; each further one in a row is twice as long'),
        longest: wait.describe('None is longer'),
      })
      .describe('A path that is throttled at the floor, or out, gets no mail for a while'),
    trial: z
      .strictObject({
        messages: count.describe('So many messages that go well, or do not, end the trial'),
        rate: rate.describe('They go at this rate, on one connection'),
      })
      .describe('After a suspension a path is tried before it gets more'),
    keep: wait.describe('So long a path stays slowed down that nothing is heard of'),
    breaker: z
      .union([
        z.literal(false),
        z.strictObject({
          times: z.number().min(1.5).max(1000).describe('So many times the usual volume of the path is a jump'),
          least: count.describe('Fewer attempts in five minutes are none'),
          factor: factor.describe('What is left of rate and connections'),
          longest: wait.describe('By then the answers have told whether it is too much'),
        }),
      ])
      .describe('A path whose volume jumps, as when another server has failed, is slowed down; false: never'),
  })
  .refine(({ suspend }) => suspend.longest >= suspend.first, {
    path: ['suspend', 'longest'],
    message: 'must not be shorter than first',
  })
  .refine(({ recovery, cooldown }) => recovery.every >= cooldown, {
    path: ['recovery', 'every'],
    message: 'must not be shorter than cooldown',
  })
  .refine(({ keep, recovery }) => keep >= 2 * recovery.every, {
    path: ['keep'],
    message: 'must be at least twice recovery.every, or a path is at full speed again before it has recovered',
  })
  .refine(({ outage, soft_bounces: soft }) => outage.share >= soft.share, {
    path: ['outage', 'share'],
    message: 'must not be below soft_bounces.share',
  })

export function compileController(section: z.output<typeof controllerSchema>): ControllerPolicy {
  const { soft_bounces: softBounces, recovery, suspend, decrease, floor, throttles, outage, trial } = section
  return {
    mode: section.mode,
    windowMs: section.window,
    throttles,
    softBounces,
    decrease,
    floor,
    recovery: { step: recovery.step, everyMs: recovery.every },
    cooldownMs: section.cooldown,
    outage,
    suspend: { firstMs: suspend.first, longestMs: suspend.longest },
    trial,
    keepMs: section.keep,
    breaker: section.breaker === false ? undefined : compileBreaker(section.breaker),
  }
}

function compileBreaker({ longest, ...figures }: Exclude<z.output<typeof controllerSchema>['breaker'], false>) {
  return { ...figures, longestMs: longest }
}

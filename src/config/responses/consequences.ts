/** `then` of a rule of responses, and of a class: what answers set off. */
import { z } from 'zod'
import { LEAST_FACTOR, LONGEST_ACTION_MS, MOST_SESSION_MESSAGES } from '../../egress/steering-action'
import { SENDER_KINDS } from '../../egress/sender-target'
import type { Consequence, Trigger } from '../../feedback/automation/consequence'
import { type Read, readWindow } from '../units'
import { durationMs, memoryMs, share, unit } from '../values'

const MOST_THEN = 10

const window = unit(readWindow)

function readTrigger(text: string): Read<Trigger> {
  if (text === 'immediate') return { value: { kind: 'immediate' } }
  const read = readWindow(text)
  if ('value' in read) return { value: { kind: 'count', ...read.value } }
  return { problem: `"${text}" is no trigger: write immediate, 3/h, or {share: 10%, least: 50, in: 1h}` }
}

const trigger = z
  .union([
    unit(readTrigger),
    z
      .strictObject({
        share,
        least: z.number().int().min(2).max(1_000_000).describe('Recipients; of fewer it says nothing'),
        in: durationMs,
      })
      .transform(({ share: part, least, in: windowMs }): Trigger => ({ kind: 'share', share: part, least, windowMs })),
  ])
  .default({ kind: 'immediate' })
  .describe('immediate; 3/h: so many within a time; {share: 10%, least: 50, in: 1h} of all recipients')

const forMs = durationMs
  .refine((ms) => ms <= LONGEST_ACTION_MS, 'at most 31d: nothing is ordered for ever')
  .describe('How long')
const factor = share.refine((part) => part >= LEAST_FACTOR, `at least ${LEAST_FACTOR * 100}%`)
const sender = z.enum(SENDER_KINDS).describe('Who sent the message that was answered so')
const timed = { when: trigger, for: forMs }

const shapes = [
  z.strictObject({ do: z.literal('suspend'), of: z.enum(['path', 'source']).default('path'), ...timed }),
  z.strictObject({ do: z.literal('rate'), to: factor.describe('Of the rate of the path'), ...timed }),
  z.strictObject({ do: z.literal('connections'), to: factor.describe('Of the connections of the path'), ...timed }),
  z.strictObject({
    do: z.literal('session'),
    to: z.number().int().min(1).max(MOST_SESSION_MESSAGES).describe('Messages that a session may carry'),
    ...timed,
  }),
  z.strictObject({ do: z.literal('delay'), for: forMs }),
  z.strictObject({ do: z.literal('slow'), of: sender, to: window.describe('Recipients: 20/h'), ...timed }),
  z.strictObject({ do: z.literal('pause'), of: sender, ...timed }),
  z.strictObject({ do: z.literal('review'), of: sender, ...timed }),
  z.strictObject({
    do: z.literal('suppress'),
    when: trigger.refine(
      ({ kind }) => kind !== 'share',
      'of one recipient there is no share: write immediate, or 3/31d',
    ),
    for: memoryMs.describe('How long'),
  }),
  z.strictObject({ do: z.literal('blame'), ...timed }),
] as const
const doings = shapes.map(({ shape }) => shape.do.value)

const consequence = z.discriminatedUnion('do', shapes, {
  error: ({ input }) => `${sayDoing(input)} is nothing that can be done: write one of ${doings.join(', ')}`,
})

function sayDoing(input: unknown): string {
  return JSON.stringify(typeof input === 'object' && input !== null && 'do' in input ? input.do : input)
}

export const consequences = z.array(consequence).max(MOST_THEN).describe('What it sets off')
export type WrittenConsequence = z.output<typeof consequence>

export function consequenceOf(written: WrittenConsequence): Consequence {
  const { do: does, for: forMs } = written
  const trigger: Trigger = 'when' in written ? written.when : { kind: 'immediate' }
  const time = { trigger, forMs }
  switch (does) {
    case 'suspend':
      return { does, of: written.of, ...time }
    case 'rate':
    case 'connections':
      return { does, factor: written.to, ...time }
    case 'session':
      return { does, messages: written.to, ...time }
    case 'slow':
      return { does, of: written.of, to: written.to, ...time }
    case 'pause':
    case 'review':
      return { does, of: written.of, ...time }
    case 'delay':
    case 'suppress':
    case 'blame':
      return { does, ...time }
  }
}

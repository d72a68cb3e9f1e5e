/** How a limit is written: in rules, in overrides and in map files. */
import { z } from 'zod'
import type { Limit } from '../gates/limits/rule'
import { LONGEST_MS, MOST_UNITS, type Read, readRate, readSize, readWindow } from './units'

const LIMIT_HELP = 'write 5/min, a list of such, {rate: 10/s, burst: 50} or {concurrency: 10}'
const MOST_WINDOWS = 8
/** Every holder of a lease is looked at each time another is asked for. */
const MOST_CONCURRENCY = 10_000

/** The forms of a limit as JSON Schema, for editors: what is read here is checked by hand. */
export const LIMIT_FORMS = [
  { type: 'string', examples: ['5/min', '120/30m', '50MB/h'] },
  { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: MOST_WINDOWS, examples: [['5/min', '30/h']] },
  {
    type: 'object',
    properties: { rate: { type: 'string' }, burst: { type: ['integer', 'string'], minimum: 1 } },
    required: ['rate', 'burst'],
    additionalProperties: false,
  },
  {
    type: 'object',
    properties: { concurrency: { type: 'integer', minimum: 1, maximum: MOST_CONCURRENCY } },
    required: ['concurrency'],
    additionalProperties: false,
  },
] as const

/** `5/min`, `[5/min, 30/h]`, `{rate: 10/s, burst: 50}`, `{concurrency: 10}`. */
export const limit = z
  .unknown()
  .transform((input, context): Limit => {
    const read = readLimit(input)
    if ('value' in read) return read.value
    context.issues.push({ code: 'custom', message: read.problem, input })
    return z.NEVER
  })
  .meta({ anyOf: LIMIT_FORMS })

/** Reads one limit; also used for the values of overrides and map files. */
export function readLimit(input: unknown): Read<Limit> {
  if (typeof input === 'string' || Array.isArray(input)) return readWindows(Array.isArray(input) ? input : [input])
  if (typeof input !== 'object' || input === null) return { problem: `${say(input)} is no limit: ${LIMIT_HELP}` }
  const { rate, burst, concurrency, ...rest } = input as Record<string, unknown>
  const strange = Object.keys(rest)[0]
  if (strange !== undefined) return { problem: `unknown key "${strange}" in a limit: ${LIMIT_HELP}` }
  if (concurrency !== undefined && rate === undefined && burst === undefined) return readConcurrency(concurrency)
  if (rate !== undefined && burst !== undefined && concurrency === undefined) return readBucket(rate, burst)
  if (concurrency === undefined && (rate !== undefined || burst !== undefined)) {
    return { problem: `a token bucket needs both: write {rate: 10/s, burst: 50}` }
  }
  return { problem: `${say(input)} is no limit: ${LIMIT_HELP}` }
}

function readConcurrency(most: unknown): Read<Limit> {
  if (isCount(most) && most <= MOST_CONCURRENCY) return { value: { kind: 'concurrency', most } }
  return { problem: `concurrency is a whole number from 1 to ${MOST_CONCURRENCY}, not ${say(most)}` }
}

function readBucket(rate: unknown, burst: unknown): Read<Limit> {
  const interval = readRate(typeof rate === 'string' ? rate : say(rate))
  if ('problem' in interval) return interval
  const size = typeof burst === 'string' ? readSize(burst) : undefined
  if (size && 'problem' in size) return { problem: `burst: ${size.problem}` }
  const units = size ? size.value : burst
  if (!isCount(units) || units > MOST_UNITS) return { problem: `burst is a whole number from 1, not ${say(burst)}` }
  if (units * interval.value > LONGEST_MS) {
    return { problem: `a burst of ${units} refills in more than 31d at ${say(rate)}: lower it or raise the rate` }
  }
  return { value: { kind: 'rate', intervalMs: interval.value, burst: units } }
}

function readWindows(inputs: readonly unknown[]): Read<Limit> {
  if (inputs.length === 0 || inputs.length > MOST_WINDOWS) {
    return { problem: `a limit has 1 to ${MOST_WINDOWS} windows, not ${inputs.length}: ${LIMIT_HELP}` }
  }
  const windows = []
  for (const input of inputs) {
    if (typeof input !== 'string')
      return { problem: `${say(input)} is no limit: write an amount per time, such as 5/min` }
    const window = readWindow(input)
    if ('problem' in window) return window
    windows.push(window.value)
  }
  windows.sort((a, b) => a.windowMs - b.windowMs)
  for (let index = 1; index < windows.length; index++) {
    const [shorter, longer] = [windows[index - 1]!, windows[index]!]
    if (longer.windowMs === shorter.windowMs) return { problem: `two windows of the same length: keep one` }
    if (longer.limit < shorter.limit) {
      return {
        problem: `${shorter.limit} in the shorter window can never be reached when the longer one allows ${longer.limit}`,
      }
    }
  }
  return { value: { kind: 'windows', windows } }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1
}

function say(input: unknown): string {
  return JSON.stringify(input) ?? 'nothing'
}

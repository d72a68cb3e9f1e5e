/** How single values of the configuration are written and read. */
import { z } from 'zod'
import { parseCidr } from '../keys/address'
import type { Mode } from '../policy/mode'
import { readOverrideKey } from './maps'
import { type Read, readDuration, readShare, readSize, readWindow } from './units'

const LONGEST_MEMORY_MS = 100 * 86_400_000

/** A string with a unit, read while parsing so that the error stands at the right key. */
export function unit<T>(read: (text: string) => Read<T>) {
  return z.union([z.string(), z.number()]).transform((input, context): T => {
    const result = read(String(input))
    if ('value' in result) return result.value
    context.issues.push({ code: 'custom', message: result.problem, input })
    return z.NEVER
  })
}

export const durationMs = unit((text) => readDuration(text))
/** Correspondents are remembered for longer than anything is counted. */
export const memoryMs = unit((text) => readDuration(text, LONGEST_MEMORY_MS))
export const sizeBytes = unit(readSize)
export const share = unit(readShare)
/** `20/h`. */
export const windowOf = unit(readWindow)

export const cidr = z.string().transform((text, context) => {
  const range = parseCidr(text)
  if (range) return range
  context.issues.push({
    code: 'custom',
    message: `"${text}" is no network: write 192.0.2.0/24, 2001:db8::/32 or a single address`,
    input: text,
  })
  return z.NEVER
})

const MODE_HELP = 'write off, shadow, {canary: 10%} or enforce'
/** Keys are dealt into 10,000 shares. */
const LEAST_PERCENT = 0.01

export const mode = z
  .unknown()
  .transform((input, context): Mode => {
    const read = readMode(input)
    if (read) return read
    context.issues.push({ code: 'custom', message: `${JSON.stringify(input)} is no mode: ${MODE_HELP}`, input })
    return z.NEVER
  })
  .meta({
    anyOf: [
      { type: 'string', enum: ['off', 'shadow', 'enforce'] },
      {
        type: 'object',
        properties: { canary: { type: 'string', pattern: '^[0-9.]+ *%$', examples: ['10%'] } },
        required: ['canary'],
        additionalProperties: false,
      },
    ],
  })

function readMode(input: unknown): Mode | undefined {
  if (input === false || input === 'off') return { kind: 'off' }
  if (input === 'shadow' || input === 'enforce') return { kind: input }
  const share = canaryShare(input)
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%$/.exec(share ?? '')?.[1])
  return percent >= LEAST_PERCENT && percent <= 100 ? { kind: 'canary', percent } : undefined
}

/** `{canary: 10%}`, and the same in one string, as logs print it. */
function canaryShare(input: unknown): string | undefined {
  if (typeof input === 'string') return /^canary:?\s*(.*)$/.exec(input)?.[1]
  const { canary, ...rest } = (input ?? {}) as { canary?: unknown }
  return typeof canary === 'string' && Object.keys(rest).length === 0 ? canary : undefined
}

/** Somebody who writes or is written to: an address, a domain or a network. */
export const correspondent = z.string().transform((text, context) => {
  const read = readOverrideKey(text)
  if ('value' in read) return read.value
  context.issues.push({ code: 'custom', message: read.problem, input: text })
  return z.NEVER
})

/** A threshold of points; undefined: never. */
export const points = z
  .union([z.literal(false), z.number().min(0.1).max(1000)])
  .transform((value) => (value === false ? undefined : value))

/** Points of something that speaks against somebody. */
export const weight = z.number().min(0).max(100)

/** Whether thresholds, mildest first, rise. */
export function isRising(steps: readonly (number | undefined)[]): boolean {
  const set = steps.filter((step) => step !== undefined)
  return set.every((step, index) => index === 0 || step > set[index - 1]!)
}

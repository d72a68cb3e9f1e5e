/**
 * The shape of `config/sluice.yaml`. What is read here becomes a compiled policy in `compile.ts`.
 * Unknown keys are refused everywhere; descriptions feed `sluice config schema` and the generated reference.
 */
import { z } from 'zod'
import { COUNTS, DIMENSIONS, type Limit } from '../gates/limits/rule'
import { parseCidr } from '../keys/address'
import type { Mode } from '../policy/mode'
import { type Read, readDuration, readRate, readSize, readWindow } from './units'

/** A string with a unit, read while parsing so that the error stands at the right key. */
function unit<T>(read: (text: string) => Read<T>) {
  return z.union([z.string(), z.number()]).transform((input, context): T => {
    const result = read(String(input))
    if ('value' in result) return result.value
    context.issues.push({ code: 'custom', message: result.problem, input })
    return z.NEVER
  })
}

export const durationMs = unit(readDuration)
export const sizeBytes = unit(readSize)

export const cidr = z.string().transform((text, context) => {
  const range = parseCidr(text)
  if (range) return range
  context.issues.push({
    code: 'custom',
    message: `"${text}" is no network: write 192.0.2.0/24 or 2001:db8::/32`,
    input: text,
  })
  return z.NEVER
})

const MODE_HELP = 'write off, shadow, canary: 10% or enforce'

export const mode = z.unknown().transform((input, context): Mode => {
  const read = readMode(input)
  if (read) return read
  context.issues.push({ code: 'custom', message: `${JSON.stringify(input)} is no mode: ${MODE_HELP}`, input })
  return z.NEVER
})

function readMode(input: unknown): Mode | undefined {
  if (input === false || input === 'off') return { kind: 'off' }
  if (input === 'shadow' || input === 'enforce') return { kind: input }
  const share =
    typeof input === 'string'
      ? /^canary:?\s*([\d.]+)\s*%$/.exec(input)?.[1]
      : /^([\d.]+)\s*%$/.exec(String((input as { canary?: unknown } | null)?.canary))?.[1]
  const percent = Number(share)
  return share !== undefined && percent > 0 && percent <= 100 ? { kind: 'canary', percent } : undefined
}

const LIMIT_HELP = 'write 5/min, a list of such, {rate: 10/s, burst: 50} or {concurrency: 10}'

/** `5/min`, `[5/min, 30/h]`, `{rate: 10/s, burst: 50}`, `{concurrency: 10}`. */
export const limit = z.unknown().transform((input, context): Limit => {
  const read = readLimit(input)
  if ('value' in read) return read.value
  context.issues.push({ code: 'custom', message: read.problem, input })
  return z.NEVER
})

const MOST_WINDOWS = 8

/** Reads one limit; also used for the values of overrides and map files. */
export function readLimit(input: unknown): Read<Limit> {
  if (typeof input === 'string' || Array.isArray(input)) return readWindows(Array.isArray(input) ? input : [input])
  const { rate, burst, concurrency, ...rest } = (input ?? {}) as Record<string, unknown>
  const strange = Object.keys(rest)[0]
  if (strange !== undefined) return { problem: `unknown key "${strange}" in a limit: ${LIMIT_HELP}` }
  if (typeof rate === 'string' && isCount(burst) && concurrency === undefined) {
    const interval = readRate(rate)
    return 'problem' in interval ? interval : { value: { kind: 'rate', intervalMs: interval.value, burst } }
  }
  if (isCount(concurrency) && rate === undefined && burst === undefined) {
    return { value: { kind: 'concurrency', most: concurrency } }
  }
  return { problem: `${JSON.stringify(input)} is no limit: ${LIMIT_HELP}` }
}

function readWindows(inputs: readonly unknown[]): Read<Limit> {
  if (inputs.length === 0 || inputs.length > MOST_WINDOWS)
    return { problem: `a limit has 1 to ${MOST_WINDOWS} windows` }
  const windows = []
  for (const input of inputs) {
    const window = readWindow(String(input))
    if ('problem' in window) return window
    windows.push(window.value)
  }
  windows.sort((a, b) => a.windowMs - b.windowMs)
  for (let index = 1; index < windows.length; index++) {
    if (windows[index]!.windowMs === windows[index - 1]!.windowMs) return { problem: 'two windows of the same length' }
  }
  return { value: { kind: 'windows', windows } }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1
}

const ruleName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, 'a rule name is lower case letters, digits and _, at most 40')

export const ruleSchema = z.strictObject({
  count: z.enum(COUNTS).describe('What is counted: it fixes when the rule is asked'),
  per: z
    .union([z.enum(DIMENSIONS), z.array(z.enum(DIMENSIONS)).min(1).max(5)])
    .transform((per) => (typeof per === 'string' ? [per] : per))
    .describe('What the counter belongs to; a list makes a tuple'),
  limit: limit.describe('How much: 5/min, a list of windows, {rate, burst} or {concurrency}'),
  tiers: z.boolean().optional().describe('Also hold wider prefixes of the address to 3 and 9 times the limit'),
  mode: mode.optional().describe('off, shadow, canary: 10% or enforce; default: the mode at the top'),
  answer: z
    .enum(['delay', 'defer', 'reject'])
    .optional()
    .describe('What a client over the limit gets; default defer (450/421)'),
  on_error: z.enum(['accept', 'defer']).optional().describe('defer: answer 451 while the shared store is out of reach'),
  exempt: z
    .array(z.enum(['trusted', 'authenticated']))
    .optional()
    .describe('Who is not held to the limit; default [trusted]'),
  direction: z
    .enum(['inbound', 'submission'])
    .optional()
    .describe('Only mail from strangers, or only from our own users'),
  overrides: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Another limit, or exempt, for an address, domain, account or network'),
  overrides_file: z
    .string()
    .optional()
    .describe('Map file with more overrides, one "key limit" a line; reloads when it changes'),
  text: z
    .string()
    .max(120)
    .regex(/^[\x20-\x7e]*$/, 'printable ASCII only: it goes into an SMTP reply')
    .optional()
    .describe('What the client reads'),
})
export type RuleInput = z.infer<typeof ruleSchema>

const sessionSchema = z.strictObject({
  recipients: z.number().int().min(1).max(10_000).describe('RCPT commands in one session'),
  errors: z.number().int().min(1).max(10_000).describe('Wrong commands in one session, then 421'),
  junk: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .describe('Commands that move no mail (NOOP, RSET, VRFY …) in one session, then 421'),
  length: durationMs.describe('How long a session may go on taking new messages, then 421'),
  mode: mode.optional().describe('Mode of these four; default: the mode at the top'),
})

const hardeningSchema = z.strictObject({
  vrfy: z.enum(['refuse', 'pass']).describe('refuse: VRFY and EXPN answer 502 5.5.1, an open transaction stays'),
  banner: z.enum(['minimal', 'haraka']).describe('minimal: "220 HOST ESMTP" and no version anywhere'),
  helo: z.enum(['required', 'optional']).describe('required: MAIL before HELO or EHLO answers 503'),
  relay: z
    .enum(['guard', 'off'])
    .describe(
      'guard: refuse classic relay tricks in recipient addresses (user%host@us, @us:user@host, "user@host"@us)',
    ),
})

const tarpitSchema = z.strictObject({
  longest: durationMs.describe('A client is held at most so long; a limit that frees later defers at once'),
  most: z
    .number()
    .int()
    .min(0)
    .max(10_000)
    .describe('Clients held at a time in one process; beyond it they are deferred at once'),
})

const httpSchema = z.strictObject({
  listen: z
    .union([z.literal(false), z.string().regex(/^(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}$/i, 'write HOST:PORT or false')])
    .describe('Metrics and health; false for none'),
})

const decisionLogSchema = z.strictObject({
  path: z.string().describe('Folder, relative to the Haraka directory'),
  record: z
    .enum(['all', 'denied'])
    .describe('all: every judged stage, for why and replay; denied: only what was or would have been refused'),
  rotate: sizeBytes.describe('A file is closed at this size, and every midnight (UTC)'),
  keep: durationMs.describe('Files older than this are deleted'),
  most: sizeBytes.describe('All files together; beyond it the oldest are deleted'),
})

const storeSchema = z.union([
  z.string(),
  z.strictObject({
    at: z.string(),
    max_keys: z.number().int().min(1000).optional(),
    timeout: durationMs.optional(),
    prefix: z
      .string()
      .regex(/^[a-z0-9_-]{1,32}$/)
      .optional(),
  }),
])

export const configSchema = z.strictObject({
  mode: mode.describe('Mode of every rule that names none'),
  store: storeSchema.describe('memory, lmdb:PATH, or redis://HOST:PORT/DB'),
  trusted: z.array(cidr).describe('Networks whose clients no limit holds'),
  tenants: z
    .record(z.string(), z.string())
    .describe('Account or account domain to tenant; default: the domain of the account'),
  http: httpSchema,
  decisions: decisionLogSchema,
  tarpit: tarpitSchema,
  session: sessionSchema,
  hardening: hardeningSchema,
  limits: z
    .record(ruleName, z.union([z.literal(false), ruleSchema]))
    .describe('Rules by name; false removes a shipped one'),
})
/** A valid configuration, units read. */
export type Config = z.output<typeof configSchema>
/** What a file may hold before units are read. */
export type ConfigInput = z.input<typeof configSchema>

/** How a DNS list is written. */
import { z } from 'zod'
import { ANY_CODE, type CodeWeight, type ListZone, TEST_ENTRIES, labelOf, parseCodePattern } from '../dns/list-spec'
import { isAskable } from '../dns/question'
import { parseIp } from '../keys/address'

const weight = z.number().min(-100).max(100)
const LABEL = /^[A-Za-z0-9._*-]{1,60}$/
/** A zone is asked for every stranger: many make DNS slow and the sum hard to read. */
const MOST_ZONES = 50

/** DNS writes a name to its end with a dot: `zen.spamhaus.org.` */
function withoutRoot(name: string): string {
  return name.replace(/\.$/, '')
}

function isZone(name: string): boolean {
  return isAskable(name) && name.includes('.')
}

const written = z.strictObject({
  zone: z
    .string()
    .refine((text) => isZone(withoutRoot(text)), 'is no name of a zone, such as zen.spamhaus.org')
    .describe('The name that is asked; a key of yours in it is shown nowhere'),
  label: z
    .string()
    .regex(LABEL, 'letters, digits, dots and dashes, at most 60: it stands in replies, logs and metrics')
    .optional()
    .describe('What is shown instead; default: the zone, a first label of 20 or more characters as ***'),
  kind: z.enum(['ip', 'domain']).optional().describe('What it lists; default ip'),
  on: z
    .array(z.enum(['client', 'helo', 'sender']))
    .min(1)
    .optional()
    .describe('What is asked: client for ip (the default), helo and sender for domain (both by default)'),
  weight: weight
    .optional()
    .describe('Points of a listing, whatever its code; below 0 for lists of the good; default 1'),
  codes: z
    .record(z.string(), weight)
    .optional()
    .describe("Points by code instead, such as {'127.0.0.[2..3]': 4}; each line counts once, other codes not at all"),
  ban: z.boolean().optional().describe('A listing is reason enough to ban the client, for plugin jail; default false'),
  test: z
    .union([z.literal(false), z.string()])
    .optional()
    .describe('Entry that it must hold; default 127.0.0.2 or TEST (RFC 5782); false when it has none'),
})
type Written = z.output<typeof written>

const listZone = written.transform((input, context): ListZone => {
  const problem = (path: string[], message: string) =>
    context.issues.push({ code: 'custom', path, message, input: input })
  const kind = input.kind ?? 'ip'
  const on = input.on ?? (kind === 'ip' ? ['client'] : ['helo', 'sender'])
  if (on.some((part) => (part === 'client') !== (kind === 'ip')))
    problem(['on'], `a list of kind ${kind} knows ${kind === 'ip' ? 'client alone' : 'helo and sender alone'}`)
  if (input.codes && input.weight !== undefined) problem(['weight'], 'codes bring points of their own: remove one')
  if (input.codes && Object.keys(input.codes).length === 0)
    problem(['codes'], 'no code has points, so that nobody is ever listed: write some, or remove the line')
  if (input.ban && kind === 'domain')
    problem(['ban'], 'a list of domains says nothing of the client itself: only kind ip can ban')
  else if (input.ban && [input.weight ?? 1, ...Object.values(input.codes ?? {})].some((points) => points < 0))
    problem(['ban'], 'a listing with points below 0 speaks for the client: it cannot ban too')
  const test = input.test ?? TEST_ENTRIES[kind].listed
  if (test !== false && !(kind === 'ip' ? parseIp(test) : isAskable(test)))
    problem(['test'], `must be ${kind === 'ip' ? 'an address' : 'a domain'}, or false`)
  const zone = withoutRoot(input.zone).toLowerCase()
  const codes = readCodes(input, problem)
  return { zone, label: labelOf(input.label ?? zone), kind, on, codes, ban: input.ban ?? false, test }
})

function readCodes({ codes, weight = 1 }: Written, problem: (path: string[], message: string) => void): CodeWeight[] {
  if (!codes) return [{ pattern: ANY_CODE, weight }]
  return Object.entries(codes).flatMap(([text, points]) => {
    const pattern = parseCodePattern(text)
    if (pattern) return [{ pattern, weight: points }]
    problem(['codes', text], `"${text}" is no pattern of codes: write 127.0.0.2, or 127.0.0.[2..4;9]`)
    return []
  })
}

export const listZones = z
  .array(listZone)
  .max(MOST_ZONES)
  .superRefine((zones, context) => {
    const labels = new Set<string>()
    for (const [index, { label }] of (zones as readonly Partial<ListZone>[]).entries()) {
      // A zone that is wrong in itself comes as it was written.
      if (label === undefined) continue
      const message = `two zones are called ${label}: give one another label`
      if (labels.has(label)) context.addIssue({ code: 'custom', path: [index], message })
      labels.add(label)
    }
  })

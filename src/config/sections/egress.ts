import { isIP } from 'node:net'
import { z } from 'zod'
import { MAIL_CLASSES, type MailClass } from '../../egress/fair-queue'
import { DEFAULT_SOURCE } from '../../egress/rules'
import type { EgressPolicy, Pool, Source } from '../../egress/sources'
import { cidrText, parseCidr } from '../../keys/address'
import { NAME, NAME_HELP, readHost } from '../names'
import type { Read } from '../units'
import { durationMs, unit } from '../values'
import { compileController, controllerSchema } from './egress-controller'
import { compileWarmup, sourceWarmupSchema, warmupSchema } from './egress-warmup'

/** A bound for those who make them by a program: each has figures and queues of its own. */
const MOST = 1000
const MOST_KEY = 320

const address = (family: 4 | 6) =>
  unit((text): Read<string> => {
    const cidr = /^[0-9a-f:.]+$/i.test(text) ? parseCidr(text) : undefined
    const example = family === 4 ? '192.0.2.10' : '2001:db8::10'
    if (cidr?.family !== family) {
      return { problem: `"${text}" is no IPv${family} address: write one of this host, such as ${example}` }
    }
    if (cidr.bytes.every((byte) => byte === 0)) {
      return { problem: `"${text}" is any address: leave it out, the system chooses then` }
    }
    return { value: cidrText(cidr) }
  })

const helo = unit((text): Read<string> => {
  if (isIP(text) !== 0) return { problem: `"${text}" is an address: write the name that it has in DNS` }
  const host = readHost(text)
  if ('problem' in host || host.value.includes('.')) return host
  return {
    problem: `"${text}" has no domain: write the whole name that the address has in DNS, such as mx1.example.com`,
  }
})

const source = z.strictObject({
  bind: address(4).optional().describe('IPv4 address of this host to connect from; without it and bind6 any'),
  bind6: address(6).optional().describe('IPv6 address; with bind alone, hosts that have IPv6 only are not reached'),
  helo: helo.optional().describe('Name for EHLO; default: that of Haraka'),
  warmup: sourceWarmupSchema
    .optional()
    .describe(
      'Its addresses are new: it sends a little more each day, by egress.warmup and what stands here; true: by that alone',
    ),
})

const pool = z.strictObject({
  sources: z
    .union([
      z.array(z.string()).min(1).max(100),
      z
        .record(z.string(), z.number().int().min(1).max(1000))
        .refine((weights) => Object.keys(weights).length > 0, 'must not be empty'),
    ])
    .describe('Names of sources: a list, or {a: 3, b: 1} by weight'),
})

/** Removed from the mail. */
const ownHeader = z.union([
  z.literal(false),
  z
    .string()
    .max(70)
    .regex(/^X-[A-Za-z0-9-]+$/i, 'must begin with X-, letters, digits and - only: it is removed from the mail'),
])

const mailClass = z.enum(MAIL_CLASSES)
const poolName = z.string().optional().describe('Pool or source that its mail goes out by')
const client = z.strictObject({
  pool: poolName,
  class: mailClass.optional().describe('Class of its mail; what its header says may be less urgent, not more'),
})
const ofClass = (what: string) => z.strictObject({ pool: poolName }).optional().describe(what)

function few<T extends z.ZodType<Readonly<Record<string, unknown>>>>(record: T) {
  return record.refine((entries) => Object.keys(entries).length <= MOST, `too many: at most ${MOST}`)
}

const name = z.string().regex(NAME, NAME_HELP)
const who = z.string().min(1).max(MOST_KEY)

/** Compiled by `compileEgress`; what it refers to is checked by `problemsOfEgress`. */
export const egressSchema = z
  .strictObject({
    lifetime: durationMs.describe('A message that is not delivered within this is given up'),
    bounce_lifetime: durationMs.describe('The same for a bounce'),
    delay_notice: z
      .union([z.literal(false), durationMs])
      .describe('The sender is told when a message has waited for so long; false: never'),
    sources: few(z.record(name, source)).describe('What mail is sent from, by name'),
    pools: few(z.record(name, pool)).describe('Sources that share the mail of somebody, by name'),
    pool: z
      .string()
      .describe('Pool or source of all other mail; the source default is any address, with the name of Haraka'),
    classes: z
      .strictObject({
        transactional: ofClass('What somebody waits for: login codes, receipts'),
        system: ofClass('All else'),
        marketing: ofClass('Newsletters'),
      })
      .describe('By class, after what account and tenant say'),
    tenants: z.record(who, client).describe('By tenant, before what its class says'),
    accounts: z.record(who, client).describe('By account, before what its tenant says'),
    controller: controllerSchema.describe('Slows paths down and suspends them by what the world answers'),
    warmup: warmupSchema.describe(
      'Sources with new addresses send a little more each day, and only while that goes well',
    ),
    default_class: mailClass.describe('Class of mail of which nothing says it'),
    header: ownHeader.describe('Header field by which accounts and trusted clients say the class; false: none'),
    campaign_header: ownHeader.describe('The same for the campaign that a message is of, by any name; false: none'),
  })
  .refine(({ delay_notice, lifetime }) => delay_notice === false || delay_notice < lifetime, {
    path: ['delay_notice'],
    message: 'must be shorter than lifetime, or nobody is ever told; false to tell nobody',
  })
export type EgressSection = z.output<typeof egressSchema>

/** Call it only for a section in which `problemsOfEgress` finds nothing. */
export function compileEgress(section: EgressSection): EgressPolicy {
  const { accounts, tenants, classes } = section
  const sources = new Map<string, Source>([[DEFAULT_SOURCE, sourceOf(DEFAULT_SOURCE, {})]])
  for (const [name, said] of Object.entries(section.sources)) sources.set(name, sourceOf(name, said))
  const pools = new Map<string, Pool>()
  for (const one of sources.values()) pools.set(one.name, { name: one.name, members: [{ source: one, weight: 1 }] })
  for (const [name, { sources: said }] of Object.entries(section.pools)) {
    const members = weightsOf(said).map(([member, weight]) => ({ source: sources.get(member)!, weight }))
    pools.set(name, { name, members })
  }
  const poolOf = ({ pool }: { readonly pool?: string | undefined }) =>
    pool === undefined ? undefined : pools.get(pool)
  return {
    lifetimeMs: section.lifetime,
    bounceLifetimeMs: section.bounce_lifetime,
    delayNoticeMs: section.delay_notice === false ? undefined : section.delay_notice,
    sources,
    pools: {
      ofAccount: mapOf(accounts, poolOf),
      ofTenant: mapOf(tenants, poolOf),
      ofClass: mapOf(classes, (said) => said && poolOf(said)) as ReadonlyMap<MailClass, Pool>,
      standard: pools.get(section.pool)!,
    },
    classes: {
      ofAccount: mapOf(accounts, (said) => said.class),
      ofTenant: mapOf(tenants, (said) => said.class),
      standard: section.default_class,
      header: section.header === false ? undefined : section.header,
      campaignHeader: section.campaign_header === false ? undefined : section.campaign_header,
    },
    controller: compileController(section.controller),
    warmup: compileWarmup(section.warmup, section.sources),
  }
}

type WrittenSource = EgressSection['sources'][string]

function sourceOf(name: string, { bind, bind6, helo }: WrittenSource): Source {
  return { name, bind, bind6, helo }
}

/** Members of a pool with their weights, in the order of the file. */
export function weightsOf(said: EgressSection['pools'][string]['sources']): (readonly [string, number])[] {
  return Array.isArray(said) ? said.map((name) => [name, 1] as const) : Object.entries(said)
}

/** Keys in lower case; some servers tell `Ann` from `ann`, and no operator does. */
function mapOf<Said, Value>(said: Readonly<Record<string, Said>>, valueOf: (one: Said) => Value | undefined) {
  const values = new Map<string, Value>()
  for (const [key, one] of Object.entries(said)) {
    const value = valueOf(one)
    if (value !== undefined) values.set(key.toLowerCase(), value)
  }
  return values
}

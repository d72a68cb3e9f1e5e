/** The shape of `config/sluice/providers.yaml`, the shipped one and the operator's. */
import { getDomain } from 'tldts'
import { z } from 'zod'
import { isAskable } from '../../dns/question'
import { plainName, siteName } from '../../egress/providers'
import { type JsonSchema, SchemaKeys } from '../json-schema'
import { NAME, NAME_HELP, readHost } from '../names'
import type { Read } from '../units'
import { figureShape } from './figures'

/** Nobody reads more; a bound for those who paste a list of domains. */
const MOST_NAMES = 1000

function name(read: (text: string) => Read<string>) {
  return z.string().transform((text, context): string => {
    const result = read(text)
    if ('value' in result) return result.value
    context.issues.push({ code: 'custom', message: result.problem, input: text })
    return z.NEVER
  })
}

function readSuffix(text: string): Read<string> {
  const host = readHost(text)
  if ('problem' in host || getDomain(host.value, { validateHostname: false }) !== null) return host
  return { problem: `"${text}" is a public suffix: everybody's hosts end so, and nobody's provider is that wide` }
}

const names = (read: (text: string) => Read<string>) => z.array(name(read)).min(1).max(MOST_NAMES).optional()

const match = z.strictObject({
  mx_suffix: names(readSuffix).describe('Every MX host ends with one of these, whole labels'),
  mx_host: names(readHost).describe('Or is one of these'),
  domain: names(readHost).describe('Or the recipient domain is one of these, whatever its MX hosts'),
})

const samples = z
  .array(
    z.strictObject({
      domain: z
        .string()
        .refine((text) => isAskable(plainName(text)), 'is no domain')
        .describe('Recipient domain'),
      mx: z.array(z.string()).min(1).max(50).describe('Its MX hosts'),
    }),
  )
  .max(MOST_NAMES)
  .optional()

const provider = z.strictObject({
  match: match.optional().describe('How it is known; in a file of yours it replaces that of a shipped provider'),
  ...figureShape,
  is: samples.describe('Destinations that are of this provider; checked when the file is read'),
  is_not: samples.describe('Destinations that are not, though they look like it'),
})
export type WrittenProvider = z.output<typeof provider>

const layer = z.strictObject(figureShape)

/** Sets of the same hosts come to the same text. */
export function readSite(text: string): Read<string> {
  const hosts = text.split('+').map((host) => readHost(host.trim().replace(/\.$/, '')))
  const wrong = hosts.find((host) => 'problem' in host)
  if (wrong) return { problem: `${wrong.problem}; a site is written mx1.example.net+mx2.example.net` }
  return { value: siteName(hosts.map((host) => ('value' in host ? host.value : ''))) }
}

export const providersSchema = z.strictObject({
  version: z.literal(1).optional().describe('Of the form of this file: 1'),
  default: layer.optional().describe('Holds for every path'),
  providers: z
    .record(z.string().regex(NAME, NAME_HELP), z.union([z.literal(false), provider]))
    .optional()
    .describe('Providers by name; false removes a shipped one'),
  sites: z.record(z.string(), layer).optional().describe('By the set of MX hosts, joined with +'),
  domains: z.record(z.string(), layer).optional().describe('By recipient domain'),
  sources: z.record(z.string().regex(NAME, NAME_HELP), layer).optional().describe('By the source that is sent from'),
})
export type WrittenProviders = z.output<typeof providersSchema>

/** What may stand where in the file. */
export const PROVIDERS_KEYS = new SchemaKeys(() => z.toJSONSchema(providersSchema, { io: 'input' }) as JsonSchema)

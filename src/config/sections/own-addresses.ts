import { z } from 'zod'
import { DEFAULT_SOURCE } from '../../egress/rules'
import type { OwnAddressesPolicy } from '../../egress/own-addresses'
import { isPrivate, parseIp, prefixText } from '../../keys/address'
import { listZones } from '../list-zone'
import { didYouMean } from '../problem'
import { durationMs } from '../values'

const LEAST_MS = 10_000
const MOST_SOURCES = 1000

/** As the world sees it, in the form that all addresses are compared in. */
const publicAddress = z.string().transform((text, context) => {
  const address = parseIp(text)
  if (address && !isPrivate(address)) return prefixText(address, address.family === 4 ? 32 : 128)
  const what = address ? "is of a network of one's own, of which no list knows" : 'is no address'
  context.issues.push({
    code: 'custom',
    message: `"${text}" ${what}: write what the world sees, such as 192.0.2.10`,
    input: text,
  })
  return z.NEVER
})

export const ownAddressesSchema = z
  .strictObject({
    every: durationMs
      .refine((ms) => ms >= LEAST_MS && ms <= 86_400_000, 'from 10s to 1d')
      .describe('One server of all looks so often'),
    lists: listZones
      .refine((zones) => zones.every(({ kind }) => kind === 'ip'), 'addresses are on lists of kind ip alone')
      .describe('DNS lists to ask, written as in dnsbl.zones; none: nothing is looked up'),
    addresses: z
      .record(z.string(), z.array(publicAddress).max(100))
      .refine((sources) => Object.keys(sources).length <= MOST_SOURCES, `too many: at most ${MOST_SOURCES}`)
      .describe('Addresses by source as the world sees them, where bind does not say it'),
  })
  .describe('Whether the addresses that mail leaves from are on DNS lists, by plugin senders')

export function compileOwnAddresses({
  every,
  lists,
  addresses,
}: z.output<typeof ownAddressesSchema>): OwnAddressesPolicy {
  return { everyMs: every, lists, addresses: new Map(Object.entries(addresses)) }
}

/** A source that is not there would be looked up, and nothing could rest for it. */
export function problemsOfOwnAddresses(
  { addresses }: z.output<typeof ownAddressesSchema>,
  sources: Readonly<Record<string, unknown>>,
): { readonly path: readonly string[]; readonly message: string }[] {
  const known = [DEFAULT_SOURCE, ...Object.keys(sources)]
  return Object.keys(addresses)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const meant = didYouMean(name, known)
      const help = meant === undefined ? `there are ${known.join(', ')}` : `did you mean "${meant}"?`
      return { path: ['automation', 'own_addresses', 'addresses', name], message: `no source is called so: ${help}` }
    })
}

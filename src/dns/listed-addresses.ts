import { parseIp } from '../keys/address'
import { BlockLists } from './block-lists'
import type { ListZone } from './list-spec'
import { DnsResolver, type ResolverOptions } from './resolver'

/** What DNS lists say of an address. */
export interface AddressListings {
  readonly address: string
  /** Lists that it is on, with the codes that say so. */
  readonly hits: readonly { readonly list: string; readonly codes: readonly string[] }[]
  /** Lists that said nothing that may be believed. */
  readonly silent: readonly string[]
}

/**
 * Asks lists about some addresses, anew: nothing is remembered from before, so that who was taken off a list is off it. Lists
 * are probed first, and believed only if they work. Lists of the good are passed over, and private addresses have no hits.
 * Never rejects.
 */
export async function askListings(
  addresses: readonly string[],
  zones: readonly ListZone[],
  { servers, deadlineMs }: Pick<ResolverOptions, 'servers' | 'deadlineMs'>,
): Promise<AddressListings[]> {
  const resolver = new DnsResolver({ ...(servers && { servers }), ...(deadlineMs !== undefined && { deadlineMs }) })
  const lists = new BlockLists({ zones, resolver, ...(deadlineMs !== undefined && { deadlineMs }) })
  try {
    await lists.probeAll()
    const found: AddressListings[] = []
    // One after another: there are few, and a list must not take it for a flood.
    for (const address of addresses) {
      const { hits, silent } = await lists.lookup({ client: parseIp(address) })
      found.push({
        address,
        hits: hits.filter(({ weight }) => weight > 0).map(({ label, codes }) => ({ list: label, codes })),
        silent: silent.map(({ label }) => label),
      })
    }
    return found
  } finally {
    lists.stop()
    resolver.close()
  }
}

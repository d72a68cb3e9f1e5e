import type { Policy } from '../../config/compile'
import { askListings } from '../../dns/listed-addresses'
import { ownAddressesOf } from '../../egress/own-addresses'
import { type Finding, type Patient, ok, orFine, warn } from './finding'

/** Addresses of ours that are on DNS lists now, and lists that do not say. */
export async function examineOwnAddresses(
  { egress, automation, config }: Policy,
  { files }: Pick<Patient, 'files'>,
): Promise<readonly Finding[]> {
  if (!files.plugins().includes('sluice/plugins/senders') || automation.mode.kind === 'off') return []
  const { lists } = automation.ownAddresses
  if (lists.length === 0) {
    // As it ships: each list has terms of its own, so nobody is asked until somebody has accepted them.
    return [
      ok('listed', 'own addresses are looked up on no DNS list; choose some under automation.own_addresses.lists'),
    ]
  }
  const addresses = ownAddressesOf(egress, automation.ownAddresses)
  if (addresses.size === 0) {
    const what = 'no own address is known: none can be looked up on DNS lists'
    return [warn('listed', what, 'name them under automation.own_addresses.addresses, by source')]
  }
  const { servers, timeout } = config.dns
  const found = await askListings([...addresses.keys()], lists, { servers, deadlineMs: timeout })
  const listed = found.flatMap(({ address, hits }) =>
    hits.map(({ list, codes }) => {
      const what = `${address} (source ${addresses.get(address)}) is on ${list} (${codes.join(' ')})`
      return warn('listed', what, 'see "We are listed" in docs/runbook.md')
    }),
  )
  const silent = [...new Set(found.flatMap(({ silent }) => silent))].map((list) =>
    warn(
      'listed',
      `${list} does not say whether own addresses are on it`,
      'see whether this host may ask it, and whether the list still runs',
    ),
  )
  const fine = `${addresses.size} own addresses are on none of ${lists.length} DNS lists`
  return orFine('listed', [...listed, ...silent], fine)
}

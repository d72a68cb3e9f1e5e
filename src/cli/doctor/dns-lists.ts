import type { Policy } from '../../config/compile'
import { withLists } from '../dnsbl'
import { type Finding, ok, type Patient, warn } from './finding'

/** DNS lists that do not answer as they must: they count for nobody, and the server says so only once. */
export async function examineLists(policy: Policy, files: Patient['files']): Promise<Finding[]> {
  if (!files.plugins().includes('sluice/plugins/dnsbl')) return []
  const { zones, mode } = policy.config.dnsbl
  if (mode.kind === 'off') return []
  if (zones.length === 0) {
    // As it ships: each list has terms of its own, so nobody is asked until somebody has accepted them.
    return [ok('dnsbl', 'no DNS list is asked yet; choose some under dnsbl.zones in config/sluice.yaml')]
  }
  const reports = await withLists(policy, async (lists) => {
    await lists.probeAll()
    return lists.reports()
  })
  const ill = reports.filter(({ state }) => state !== 'well')
  if (ill.length === 0) return [ok('dnsbl', `${zones.length} lists answer as they must`)]
  return ill.map(({ label, state, why }) => warn('dnsbl', `${label} is ${state}: ${why}`, MEND[state] ?? ASK_AGAIN))
}

const ASK_AGAIN = 'see whether this host can ask DNS, then: sluice doctor'
const MEND: Readonly<Record<string, string>> = {
  refused: 'set dns.servers to a resolver of your own, such as unbound on 127.0.0.1, or get a key of the list',
  lying: 'remove it from dnsbl.zones: the list is gone, or somebody rewrites DNS on the way',
  dead: 'see the page of the list whether it still runs, and whether this host can ask DNS; else remove it',
}

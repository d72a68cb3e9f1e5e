import type { HeloFault } from '../dns/helo'
import { FAILED, MISSING, type ReverseFacts, reverseFacts } from '../dns/reverse'
import type { IpAddress } from '../keys/address'
import type { Connection } from './types'

/** What a Haraka plugin notes of its checks (haraka-results). */
interface Noted {
  readonly pass?: readonly string[]
  readonly fail?: readonly string[]
  readonly err?: readonly string[]
}

interface FcrdnsNoted extends Noted {
  readonly has_rdns?: boolean
  readonly ptr_names?: readonly string[]
  readonly fcrdns?: readonly string[]
}

const MOST_NAMES = 10

/** What haraka-plugin-fcrdns 1.3 has found of the client; undefined while it has found nothing. */
export function foundByFcrdns(connection: Connection, address: IpAddress): ReverseFacts | undefined {
  const noted = connection.results.get('fcrdns') as FcrdnsNoted | undefined
  if (!noted) return undefined
  const failed = (noted.err ?? []).length > 0
  if (noted.has_rdns !== true) {
    if ((noted.fail ?? []).includes('has_rdns')) return MISSING
    return failed ? FAILED : undefined
  }
  const lower = (names: readonly string[] | undefined) =>
    (names ?? []).slice(0, MOST_NAMES).map((name) => name.toLowerCase())
  return reverseFacts(address, lower(noted.ptr_names), lower(noted.fcrdns), !failed)
}

/** Its failures that mean the same as ours; the others it judges by itself. */
const HELO_FAILURES: readonly (readonly [string, HeloFault])[] = [
  ['literal_mismatch', 'address'],
  ['bare_ip(invalid literal)', 'address'],
  ['valid_hostname(no_dot)', 'bare'],
  ['rdns_match', 'mismatch'],
]

/** The gravest fault that haraka-plugin-helo.checks has found, if any. */
export function foundByHeloChecks(connection: Connection): HeloFault | undefined {
  const noted = connection.results.get('helo.checks') as Noted | undefined
  const failures = noted?.fail ?? []
  return HELO_FAILURES.find(([failure]) => failures.includes(failure))?.[1]
}

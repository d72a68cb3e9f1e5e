import { type IpAddress, parseIp, prefixText } from '../keys/address'
import { isGenericName } from './generic-name'
import { reversed } from './list-spec'
import { isAskable } from './question'
import type { DnsResolver } from './resolver'

/** What DNS says of a client's address. */
export interface ReverseFacts {
  /** `missing`: there is no name. `failed`: DNS did not say, which tells nothing of the client. */
  readonly state: 'named' | 'missing' | 'failed'
  /** Names the address claims (PTR), lower case, at most 10. */
  readonly names: readonly string[]
  /** Those that lead back to the address. */
  readonly confirmed: readonly string[]
  /** All names were looked up: one that is not confirmed is not true. */
  readonly complete: boolean
  /** Every name, of the confirmed ones where there are any, looks like one of a pool of addresses. */
  readonly generic: boolean
}

const MOST_NAMES = 10

/** Names of an address and whether they are true (forward-confirmed, RFC 8601 §2.7.3). Never rejects; bounded by `deadlineMs`. */
export async function lookupReverse(
  resolver: DnsResolver,
  address: IpAddress,
  deadlineMs = 2000,
): Promise<ReverseFacts> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, deadlineMs, undefined)
  })
  const zone = address.family === 4 ? 'in-addr.arpa' : 'ip6.arpa'
  const answer = await Promise.race([resolver.resolve(`${reversed(address)}.${zone}`, 'PTR'), late])
  if (answer?.kind !== 'found') {
    clearTimeout(timer)
    return answer?.kind === 'absent' ? MISSING : FAILED
  }
  const names = [...new Set(answer.records.map((name) => name.toLowerCase()).filter(isAskable))].slice(0, MOST_NAMES)
  const verdicts = await Promise.all(names.map((name) => Promise.race([leadsBack(resolver, name, address), late])))
  clearTimeout(timer)
  return reverseFacts(
    address,
    names,
    names.filter((_, index) => verdicts[index] === true),
    !verdicts.includes(undefined),
  )
}

/** The same facts of names that somebody else has looked up. */
export function reverseFacts(
  address: IpAddress,
  names: readonly string[],
  confirmed: readonly string[],
  complete: boolean,
): ReverseFacts {
  if (names.length === 0) return MISSING
  const telling = confirmed.length > 0 ? confirmed : names
  return { state: 'named', names, confirmed, complete, generic: telling.every((name) => isGenericName(name, address)) }
}

export const MISSING: ReverseFacts = Object.freeze({
  state: 'missing',
  ...{ names: [], confirmed: [], complete: true, generic: false },
})
export const FAILED: ReverseFacts = Object.freeze({ ...MISSING, state: 'failed', complete: false })

/** Whether a name has the address; undefined when DNS does not say. */
async function leadsBack(resolver: DnsResolver, name: string, address: IpAddress): Promise<boolean | undefined> {
  const answer = await resolver.resolve(name, address.family === 4 ? 'A' : 'AAAA')
  if (answer.kind === 'failed') return undefined
  if (answer.kind === 'absent') return false
  const bits = address.family === 4 ? 32 : 128
  const text = prefixText(address, bits)
  return answer.records.some((record) => {
    const found = parseIp(record)
    return found !== undefined && prefixText(found, bits) === text
  })
}

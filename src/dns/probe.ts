import { parseIp } from '../keys/address'
import { type ListZone, TEST_ENTRIES, refusalIn, reversed } from './list-spec'
import { isTheirs } from './question'
import type { DnsAnswer, DnsResolver } from './resolver'
import type { Illness } from './zone-health'

/** What a probe of a zone came to. */
export type ProbeResult =
  | {
      readonly kind: 'well'
      /** Whether it knows IPv6 addresses; a list may know none and be well. */
      readonly ipv6: boolean
      /** How long an entry that is not there stays so, from the zone's SOA. */
      readonly absentTtlMs: number | undefined
    }
  | { readonly kind: 'ill'; readonly illness: Illness; readonly why: string }
  /** We could not ask. */
  | { readonly kind: 'inconclusive' }

/** Asks a zone for what it must hold and for what it must not hold, RFC 5782 §5, past anything remembered. */
export async function probeZone(resolver: DnsResolver, zone: ListZone): Promise<ProbeResult> {
  const ask = (name: string) => resolver.resolve(`${name}.${zone.zone}`, 'A', { fresh: true })
  const nothing = Promise.resolve(undefined)
  const isOfAddresses = zone.kind === 'ip'
  const [unlisted, listed, unlisted6, listed6, soa] = await Promise.all([
    ask(entryName(zone, TEST_ENTRIES[zone.kind].unlisted)),
    zone.test === false ? nothing : ask(entryName(zone, zone.test)),
    isOfAddresses ? ask(IPV6_UNLISTED) : nothing,
    isOfAddresses && zone.test !== false ? ask(IPV6_LISTED) : nothing,
    resolver.resolve(zone.zone, 'SOA', { fresh: true }),
  ])
  if (isOurs(unlisted) || (listed && isOurs(listed))) return { kind: 'inconclusive' }
  const ill = illnessOf(zone, unlisted, listed)
  if (ill) return ill
  const ipv6 = unlisted6?.kind === 'absent' && (listed6 === undefined || isListed(listed6))
  return { kind: 'well', ipv6, absentTtlMs: soa.kind === 'found' ? soa.records[0]!.minttl * 1000 : undefined }
}

type Addresses = DnsAnswer<'A'>

function illnessOf(zone: ListZone, unlisted: Addresses, listed?: Addresses): ProbeResult | undefined {
  for (const answer of [unlisted, listed]) {
    const refusal = answer?.kind === 'found' ? refusalIn(answer.records) : undefined
    if (refusal !== undefined) return { kind: 'ill', illness: 'refused', why: sayRefusal(refusal) }
  }
  for (const answer of [unlisted, listed]) {
    if (answer?.kind === 'failed')
      return { kind: 'ill', illness: 'dead', why: `no answer to a probe: ${answer.reason}` }
  }
  if (unlisted.kind === 'found') {
    return { kind: 'ill', illness: 'lying', why: `lists ${TEST_ENTRIES[zone.kind].unlisted}, which no list may` }
  }
  if (listed?.kind === 'absent') {
    return { kind: 'ill', illness: 'dead', why: `does not list its test entry ${zone.test}` }
  }
  return undefined
}

/** What a code by which a list refuses means to the operator. */
export function sayRefusal(record: string): string {
  const meaning = MEANINGS[record]
  if (meaning !== undefined) return `answers ${record}: ${meaning}`
  return record.startsWith('127.')
    ? `answers ${record}, which is a refusal and no listing`
    : `answers ${record}, which is no answer of a list: the zone is gone or somebody rewrites DNS`
}

const MEANINGS: Readonly<Record<string, string>> = {
  '127.255.255.252': 'the name of the zone is not written right',
  '127.255.255.254': 'asked through a public resolver; run one of your own, or use a key',
  '127.255.255.255': 'too many questions for free use',
  '127.0.0.1': 'blocked, for too many questions or a public resolver',
  '127.0.0.255': 'blocked, for too many questions',
  '127.0.10.3': 'blocked, for too many questions',
}

const IPV6_LISTED = reversedText(TEST_ENTRIES.ipv6.listed)
const IPV6_UNLISTED = reversedText(TEST_ENTRIES.ipv6.unlisted)

/** The mapped addresses stay IPv6 here: it is their nibbles that a list holds. */
function reversedText(groups: string): string {
  const bytes = groups.split(':').flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255])
  return reversed({ family: 6, bytes })
}

function entryName({ kind }: ListZone, entry: string): string {
  const address = kind === 'ip' ? parseIp(entry) : undefined
  return address ? reversed(address) : entry
}

function isListed(answer: Addresses): boolean {
  return answer.kind === 'found' && refusalIn(answer.records) === undefined
}

function isOurs(answer: Addresses): boolean {
  return answer.kind === 'failed' && !isTheirs(answer.reason)
}

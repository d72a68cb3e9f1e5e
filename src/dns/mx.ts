import { type FailureReason, isAskable } from './question'
import type { DnsResolver } from './resolver'

export interface MailHost {
  /** Lower case, without the root dot. */
  readonly host: string
  readonly preference: number
}

/** Where the mail of a domain goes, RFC 5321 §5.1. */
export type MailHosts =
  /** The most preferred first, each once. */
  | { readonly kind: 'mx'; readonly hosts: readonly MailHost[] }
  /** There is no MX record, and the name itself has an address. */
  | { readonly kind: 'implicit'; readonly hosts: readonly [MailHost] }
  /** It says that it takes no mail, RFC 7505. */
  | { readonly kind: 'null' }
  /** No name, or one with neither an MX record nor an address, or with MX records that name no host at all. */
  | { readonly kind: 'none'; readonly why: string }
  /** DNS does not say: nothing is known of the domain. */
  | { readonly kind: 'failed'; readonly reason: FailureReason }

/** No domain that means it has so many; RFC 5321 §5.1 lets a sender stop. */
const MOST_HOSTS = 50

/** Never rejects. Takes at most two deadlines of the resolver: addresses are asked for when there is no MX record. */
export async function lookupMx(resolver: DnsResolver, domain: string): Promise<MailHosts> {
  // Such as an address in brackets. It would never be known.
  if (!isAskable(domain)) return { kind: 'none', why: 'it is no name that DNS can be asked for' }
  const answer = await resolver.resolve(domain, 'MX')
  if (answer.kind === 'failed') return answer
  if (answer.kind === 'absent') return lookupImplicit(resolver, domain)
  const records = answer.records.map(({ exchange, priority }) => ({
    host: exchange.toLowerCase().replace(/\.$/, ''),
    preference: priority,
  }))
  // Null MX must stand alone (RFC 7505 §3); beside others it says nothing.
  if (records.every(({ host }) => host === '')) return { kind: 'null' }
  const preferred = records.filter(({ host }) => isAskable(host)).sort((a, b) => a.preference - b.preference)
  const hosts = preferred.filter(({ host }, index) => preferred.findIndex((one) => one.host === host) === index)
  if (hosts.length === 0) return { kind: 'none', why: 'its MX records name no host' }
  return { kind: 'mx', hosts: hosts.slice(0, MOST_HOSTS) }
}

async function lookupImplicit(resolver: DnsResolver, domain: string): Promise<MailHosts> {
  const answers = await Promise.all([resolver.resolve(domain, 'A'), resolver.resolve(domain, 'AAAA')])
  const host = domain.toLowerCase()
  if (answers.some(({ kind }) => kind === 'found')) return { kind: 'implicit', hosts: [{ host, preference: 0 }] }
  const failed = answers.find((answer) => answer.kind === 'failed')
  return failed ?? { kind: 'none', why: 'it has neither MX records nor an address' }
}

import { keyText } from '../keys/key'

/** How a provider is known. Names in lower case, without dots at either end. */
export interface ProviderMatch {
  /** A host under one of these, whole labels, or the name itself. */
  readonly mxSuffix: readonly string[]
  readonly mxHost: readonly string[]
  /** Recipient domains, whatever their MX set. */
  readonly domain: readonly string[]
}

export interface NamedMatch {
  readonly name: string
  readonly match: ProviderMatch
}

/** An exact host is closer than any suffix: names have at most 127 labels. */
const EXACT = 1000

/**
 * Finds the provider of a destination. A recipient domain decides alone. Else every MX must match a rule of the same
 * provider; of several the one wins whose loosest match is the closest: a host before a suffix, a long suffix before a
 * short one, then the one that was named first. Costs one look for each label of each host.
 */
export class ProviderIndex {
  private readonly suffixes = new Map<string, string>()
  private readonly hosts = new Map<string, string>()
  private readonly domains = new Map<string, string>()
  private readonly order = new Map<string, number>()

  /** Of two providers with the same rule the first has it. */
  constructor(providers: readonly NamedMatch[]) {
    for (const { name, match } of providers) {
      this.order.set(name, this.order.size)
      for (const suffix of match.mxSuffix) putFirst(this.suffixes, suffix, name)
      for (const host of match.mxHost) putFirst(this.hosts, host, name)
      for (const domain of match.domain) putFirst(this.domains, domain, name)
    }
  }

  /** `mx` are the hosts of the domain, its own name where it has no MX record. Case and a root dot do not matter. */
  providerOf(domain: string, mx: readonly string[]): string | undefined {
    const byDomain = this.domains.get(plainName(domain))
    if (byDomain !== undefined) return byDomain
    let candidates: Map<string, number> | undefined
    for (const host of mx) {
      const matches = this.matchesOf(plainName(host))
      candidates = candidates ? common(candidates, matches) : matches
      if (candidates.size === 0) return undefined
    }
    return candidates && this.closest(candidates)
  }

  /** Providers that a host speaks for, with how close the match is. */
  private matchesOf(host: string): Map<string, number> {
    const found = new Map<string, number>()
    const exact = this.hosts.get(host)
    if (exact !== undefined) found.set(exact, EXACT)
    // From the whole name down: what is found first is the closest.
    for (let rest = host; rest !== ''; rest = afterDot(rest)) {
      const name = this.suffixes.get(rest)
      if (name !== undefined && !found.has(name)) found.set(name, rest.split('.').length)
    }
    return found
  }

  private closest(candidates: ReadonlyMap<string, number>): string {
    const [best] = [...candidates].sort(
      ([a, closeA], [b, closeB]) => closeB - closeA || this.order.get(a)! - this.order.get(b)!,
    )
    return best![0]
  }
}

/** Lower case, without the root dot. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

/**
 * The name of a set of MX hosts: sorted, joined with `+`, so that domains with the same set share it. A host without a
 * dot keeps the root dot: the name of a provider has none, and nobody may choose an MX that is called like one.
 */
export function siteName(mx: readonly string[]): string {
  const hosts = mx.map(plainName).map((host) => (host.includes('.') || host.includes(':') ? host : `${host}.`))
  return [...new Set(hosts)].sort().join('+')
}

/** Part of store keys: `egress|default|google`. `destination` is the name of a provider or of a site. */
export function pathName(source: string, destination: string): string {
  return keyText('egress', [source, destination])
}

function putFirst(map: Map<string, string>, key: string, name: string): void {
  if (!map.has(key)) map.set(key, name)
}

function common(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): Map<string, number> {
  const both = new Map<string, number>()
  for (const [name, close] of one) {
    const closeToo = other.get(name)
    if (closeToo !== undefined) both.set(name, Math.min(close, closeToo))
  }
  return both
}

function afterDot(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1)
}

import type { Policy } from '../../config/compile'
import { type Dimension, type Limit, type LimitRule, type Tier, scaleLimit } from '../../gates/limits/rule'
import { parseIp } from '../../keys/address'
import type { KeyState } from '../../store/store'

/** A store key, understood: `sender_domain|example.com`, `connection_rate/26|192.0.2.0/26`. */
export interface ReadKey {
  readonly key: string
  /** Undefined for a key that no rule of the policy makes (any more). */
  readonly rule: LimitRule | undefined
  readonly tier: Tier | undefined
  /** What the key belongs to, unescaped; `#…` stands for a text that was too long to keep. */
  readonly values: readonly string[]
}

/** How full one window, bucket or set of leases is. `limit` is undefined when the policy knows no such window. */
export interface Usage {
  /** 0 for leases. */
  readonly windowMs: number
  readonly count: number
  readonly limit: number | undefined
}

/** A key as a person wants to see it. */
export interface KeyUsage extends ReadKey {
  readonly usages: readonly Usage[]
  /** Share of the limit in use, of the fullest window; 0 when no limit is known. */
  readonly used: number
  /** How somebody behaved, from −1 to 1, where that is what the key remembers. */
  readonly mean?: number
  readonly expiresAt: number
}

/** The names under which a rule keeps its counters, one for each tier. */
export function tierNames(rule: LimitRule): { readonly name: string; readonly tier: Tier }[] {
  return rule.tiers.map((tier, index) => ({ tier, name: index === 0 ? rule.name : `${rule.name}/${tier.bits4}` }))
}

/** Makes a reader for the keys of one policy. */
export function keyReader(policy: Policy): (state: KeyState) => KeyUsage {
  const names = new Map(
    policy.rules.flatMap((rule) => tierNames(rule).map(({ name, tier }) => [name, { rule, tier }] as const)),
  )
  return (state) => {
    const [name, ...escaped] = state.key.split('|') as [string, ...string[]]
    const known = names.get(name)
    const values = escaped.map(unescapeValue)
    const usages = usagesOf(state, known && limitFor(known.rule, known.tier, values))
    const used = Math.max(0, ...usages.map(({ count, limit }) => (limit === undefined ? 0 : count / limit)))
    const { key, mean, expiresAt } = state
    const behaved = mean === undefined ? {} : { mean }
    return { key, rule: known?.rule, tier: known?.tier, values, usages, used, ...behaved, expiresAt }
  }
}

function unescapeValue(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The limit that holds for a key, overrides included; undefined when it is exempt. */
function limitFor(rule: LimitRule, tier: Tier, values: readonly string[]): Limit | undefined {
  const override = overrideFor(rule, values)
  return override === 'exempt' ? undefined : scaleLimit(override ?? rule.limit, tier.factor)
}

/** As `findOverride`, from the texts of a key instead of a whole subject: network overrides only where the key shows the client. */
function overrideFor({ per, overrides }: LimitRule, values: readonly string[]): Limit | 'exempt' | undefined {
  const { accounts, addresses, domains, networks } = overrides
  const valueOf = (...wanted: Dimension[]) =>
    wanted.flatMap((dimension) => values[per.indexOf(dimension)] ?? []).filter((value) => value !== '<>')
  const mailboxes = valueOf('sender', 'recipient')
  const domainNames = [...valueOf('sender_domain', 'recipient_domain'), ...mailboxes.map(domainOf)]
  const clients = valueOf('client', 'network').flatMap((text) => parseIp(text.split('/')[0]!) ?? [])
  return (
    first(valueOf('account', 'tenant'), (account) => accounts.get(account) ?? addresses.get(account)) ??
    first(mailboxes, (address) => addresses.get(address)) ??
    first(domainNames, (domain) => domains.get(domain)) ??
    first(clients, (address) => networks.find(address))
  )
}

function first<From, To>(items: readonly From[], find: (item: From) => To | undefined): To | undefined {
  for (const item of items) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1)
}

function usagesOf({ counts }: KeyState, limit: Limit | undefined): Usage[] {
  return counts.map(({ windowMs, count }) => ({ windowMs, count, limit: limit && mostIn(limit, windowMs) }))
}

function mostIn(limit: Limit, windowMs: number): number | undefined {
  switch (limit.kind) {
    case 'windows':
      return limit.windows.find((window) => window.windowMs === windowMs)?.limit
    case 'rate':
      return limit.burst
    case 'concurrency':
      return limit.most
  }
}

import { CidrMap, type IpAddress, prefixText } from '../../keys/address'
import type { Rule } from '../../policy/decision'
import type { Direction } from '../../policy/subject'
import type { Window } from '../../store/store'

/** What a rule's key is made of. */
export const DIMENSIONS = [
  'client',
  'network',
  'helo',
  'sender',
  'sender_domain',
  'recipient',
  'recipient_domain',
  'account',
  'tenant',
  'session',
] as const
export type Dimension = (typeof DIMENSIONS)[number]

/** What is counted. It fixes the stage: connections and sessions at connect, messages at MAIL, and so on. */
export const COUNTS = ['connections', 'sessions', 'messages', 'recipients', 'bytes'] as const
export type Count = (typeof COUNTS)[number]

/** How much is allowed. */
export type Limit =
  | { readonly kind: 'windows'; readonly windows: readonly Window[] }
  | { readonly kind: 'rate'; readonly intervalMs: number; readonly burst: number }
  | { readonly kind: 'concurrency'; readonly most: number }

/** `exempt`: no limit at all for this key. */
export type Override = Limit | 'exempt'

/** Limits for particular keys, from the config and from map files. The most particular entry wins: account, address, domain, network. */
export interface Overrides {
  readonly addresses: ReadonlyMap<string, Override>
  readonly domains: ReadonlyMap<string, Override>
  readonly accounts: ReadonlyMap<string, Override>
  readonly networks: CidrMap<Override>
}

/** Widths of one tier, and how many times the limit it gets. */
export interface Tier {
  readonly bits4: number
  readonly bits6: number
  readonly factor: number
}

/** A rule of the `limits` section, ready to ask. */
export interface LimitRule extends Rule {
  readonly count: Count
  readonly per: readonly Dimension[]
  readonly limit: Limit
  /** More than one only for rules per client or network. */
  readonly tiers: readonly Tier[]
  readonly exemptTrusted: boolean
  readonly exemptAuthenticated: boolean
  /** Undefined: both. */
  readonly direction: Direction | undefined
  /** Nobody is held to it who has proven himself. */
  readonly untilProven: boolean
  /** The reputation of a client multiplies it. */
  readonly scales: boolean
  readonly overrides: Overrides
}

export const NO_OVERRIDES: Overrides = {
  addresses: new Map(),
  domains: new Map(),
  accounts: new Map(),
  networks: new CidrMap(),
}

/** IPv4 by address and IPv6 by /64: a customer's whole delegation is one client (RFC 6177). */
export const CLIENT_TIER: Tier = { bits4: 32, bits6: 64, factor: 1 }
/** The tiers that also hold back a client rotating inside its network. */
export const CLIENT_TIERS: readonly Tier[] = [
  CLIENT_TIER,
  { bits4: 26, bits6: 48, factor: 3 },
  { bits4: 21, bits6: 32, factor: 9 },
]
/** Where one machine of a sender stands in for another: greylisting, bounces, who has been seen. */
export const NETWORK_TIER: Tier = { bits4: 24, bits6: 64, factor: 1 }
/** The network of a rule: in IPv6 many get a /48, and with it 65,536 clients. */
export const NEIGHBOURHOOD_TIER: Tier = { bits4: 24, bits6: 48, factor: 1 }
export const NEIGHBOURHOOD_TIERS: readonly Tier[] = [
  NEIGHBOURHOOD_TIER,
  { bits4: 22, bits6: 40, factor: 3 },
  { bits4: 20, bits6: 32, factor: 9 },
]

/** The range of a tier's width that holds the address, as text. */
export function tierText(address: IpAddress, tier: Tier): string {
  return prefixText(address, address.family === 4 ? tier.bits4 : tier.bits6)
}

/** The limit, `factor` times as large. A rate keeps its pace per unit of time multiplied too. */
export function scaleLimit(limit: Limit, factor: number): Limit {
  if (factor === 1) return limit
  switch (limit.kind) {
    case 'windows':
      return { kind: 'windows', windows: limit.windows.map((window) => ({ ...window, limit: window.limit * factor })) }
    case 'rate':
      return { kind: 'rate', intervalMs: limit.intervalMs / factor, burst: limit.burst * factor }
    case 'concurrency':
      return { kind: 'concurrency', most: limit.most * factor }
  }
}

/** The limit multiplied by a reputation: never below one unit, so that everybody can get better. */
export function scaleByReputation(limit: Limit, factor: number): Limit {
  switch (limit.kind) {
    case 'windows':
      return {
        kind: 'windows',
        windows: limit.windows.map((window) => ({ ...window, limit: atLeastOne(window.limit * factor) })),
      }
    case 'rate':
      return { kind: 'rate', intervalMs: limit.intervalMs / factor, burst: atLeastOne(limit.burst * factor) }
    case 'concurrency':
      return { kind: 'concurrency', most: atLeastOne(limit.most * factor) }
  }
}

function atLeastOne(units: number): number {
  return Math.max(1, Math.round(units))
}

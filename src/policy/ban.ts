import { type Cidr, cidrText, parseCidr } from '../keys/address'

/** Who is shut out: a network (a single IPv4 address is one of its own), an account, or a sender domain with its subdomains. */
export type BanTarget =
  | { readonly kind: 'network'; readonly range: Cidr; readonly text: string }
  | { readonly kind: 'account' | 'domain'; readonly name: string; readonly text: string }

/** An entry of the dynamic block list. */
export interface Ban {
  readonly target: BanTarget
  /** Who says so: `jail`, `dnsbl`, `operator`, `fail2ban` … One token. */
  readonly origin: string
  /** Why, for people; one line. */
  readonly reason: string
  /** Milliseconds since 1970, as is `until`. */
  readonly since: number
  readonly until: number
}

/** What a person bans, who knows why; programs leave it alone. */
export const OPERATOR = 'operator'

/** Origins that judge by themselves: their bans obey the mode of the jail. What a person or another program says holds at once. */
const AUTOMATIC: readonly string[] = ['jail', 'dnsbl']

export function isAutomatic({ origin }: Pick<Ban, 'origin'>): boolean {
  return AUTOMATIC.includes(origin)
}

/** Wider ranges would shut out whole countries by a slip of the finger. */
const WIDEST = { 4: 8, 6: 16 } as const
/** In IPv6 a customer has at least so much (RFC 6177), and takes any address of it: a narrower ban would hold nobody. */
const NARROWEST_IPV6 = 64
export const MOST_REASON = 200
const ORIGIN = /^[a-z0-9][a-z0-9_.-]{0,39}$/
const DOMAIN = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+$/
const MOST_ACCOUNT = 200

export type ReadTarget = { readonly target: BanTarget } | { readonly problem: string }

/**
 * Reads `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/48`, `account:ann@example.com`, `domain:example.com` or `example.com`.
 * An IPv6 address, and any range within a /64, stands for its /64.
 */
export function readTarget(input: string): ReadTarget {
  const text = input.trim()
  const range = parseCidr(text)
  if (range) {
    const least = WIDEST[range.family]
    if (range.bits < least) return { problem: `"${text}" is too wide: at least /${least} for IPv${range.family}` }
    const whole = wholeCustomer(range)
    return { target: { kind: 'network', range: whole, text: cidrText(whole) } }
  }
  const [, prefix, rest] = /^(?:(account|domain):)?(.*)$/s.exec(text) as unknown as [string, string?, string?]
  const name = (rest ?? '').toLowerCase()
  if (prefix === 'account' && /^[\x21-\x7e]+$/.test(name) && name.length <= MOST_ACCOUNT) {
    return { target: { kind: 'account', name, text: `account:${name}` } }
  }
  if (prefix !== 'account' && DOMAIN.test(name) && !/\.\d+$/.test(name)) {
    return { target: { kind: 'domain', name, text: `domain:${name}` } }
  }
  if (prefix === undefined && name.includes('@') && name.length <= MOST_ACCOUNT) {
    return { problem: `"${text}" may be an account or a sender: write account:${name}, or domain:… for a whole domain` }
  }
  const how = 'write an address (192.0.2.7), a network (192.0.2.0/24), account:NAME or domain:example.com'
  return { problem: `"${text.slice(0, 100)}" is nobody that can be banned: ${how}` }
}

function wholeCustomer(range: Cidr): Cidr {
  if (range.family === 4 || range.bits <= NARROWEST_IPV6) return range
  const bytes = range.bytes.map((byte, index) => (index < NARROWEST_IPV6 / 8 ? byte : 0))
  return { family: 6, bytes, bits: NARROWEST_IPV6 }
}

/** Reads an origin; undefined when it is no token. */
export function readOrigin(text: string): string | undefined {
  return ORIGIN.test(text) ? text : undefined
}

/** A reason as it is kept: one line of printable characters. */
export function cleanReason(text: string, most = MOST_REASON): string {
  // What is unseen, breaks lines or turns the direction of writing lies to who reads it in a terminal. Cut between characters.
  return Array.from(text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim())
    .slice(0, most)
    .join('')
    .trim()
}

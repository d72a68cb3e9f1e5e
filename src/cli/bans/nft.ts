import { type Cidr, CidrMap, PRIVATE_RANGES, cidrText, parseCidr } from '../../keys/address'
import type { Ban } from '../../policy/ban'

/** Longest time that nft takes for an element, far beyond any ban. */
const LONGEST_S = 366 * 86_400

/**
 * The banned networks as input for `nft -f`: replaces the table whole, in one transaction, so that it can be loaded again
 * at any time. Each element ends by itself with its ban. Packets to the mail ports are dropped, but for those from
 * `never` and private addresses, into which a wider ban does not reach. Accounts and domains are no business of a firewall.
 */
export function nftSet(bans: readonly Ban[], never: readonly Cidr[], table: string, now: number): string {
  const safe = [...never, ...PRIVATE_RANGES.map((text) => parseCidr(text)!)]
  return [
    // Adding first makes the deletion work when there is none yet.
    `table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    ...FAMILIES.flatMap((family) => set(`never${family}`, family, 'interval', neverElements(safe, family))),
    ...FAMILIES.flatMap((family) => set(`banned${family}`, family, 'interval, timeout', elementsOf(bans, family, now))),
    '  chain input {',
    '    type filter hook input priority filter - 10; policy accept;',
    ...FAMILIES.map((family) => `    ${IP[family]} saddr @never${family} return`),
    ...FAMILIES.map((family) => `    ${IP[family]} saddr @banned${family} tcp dport { 25, 465, 587 } drop`),
    '  }',
    '}',
  ].join('\n')
}

const FAMILIES = [4, 6] as const
const IP = { 4: 'ip', 6: 'ip6' } as const

function set(name: string, family: 4 | 6, flags: string, elements: readonly string[]): string[] {
  const list = elements.length === 0 ? [] : [`    elements = {`, ...elements.map((text) => `      ${text},`), '    }']
  return [`  set ${name} {`, `    type ipv${family}_addr`, `    flags ${flags}`, ...list, '  }']
}

function neverElements(ranges: readonly Cidr[], family: 4 | 6): string[] {
  return widest(ranges.filter((range) => range.family === family).map((range) => ({ range }))).map(({ range }) =>
    cidrText(range),
  )
}

function elementsOf(bans: readonly Ban[], family: 4 | 6, now: number): string[] {
  const networks = bans.flatMap(({ target, until }) =>
    target.kind === 'network' && target.range.family === family && until > now ? [{ range: target.range, until }] : [],
  )
  return widest(networks).map(
    ({ range, until }) => `${cidrText(range)} timeout ${Math.min(LONGEST_S, Math.ceil((until - now) / 1000))}s`,
  )
}

/** nft wants no overlaps: of a network inside another only the wider goes to the firewall; Sluice itself knows both. */
function widest<T extends { readonly range: Cidr }>(networks: readonly T[]): T[] {
  const wider = new CidrMap<true>()
  return [...networks]
    .sort((a, b) => a.range.bits - b.range.bits)
    .filter(({ range }) => {
      const { family, bytes } = range
      if (wider.find({ family, bytes, texts: new Map<number | object, string>() })) return false
      wider.set(range, true)
      return true
    })
}

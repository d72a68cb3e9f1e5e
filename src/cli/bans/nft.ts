import { type Cidr, CidrMap } from '../../keys/address'
import type { Ban } from '../../policy/ban'

/** Longest time that nft takes for an element, far beyond any ban. */
const LONGEST_S = 366 * 86_400

/**
 * The banned networks as input for `nft -f`: replaces the table whole, in one transaction, so that it can be loaded again
 * at any time. Each element ends by itself with its ban. Packets to the mail ports are dropped; accounts and domains are
 * no business of a firewall.
 */
export function nftSet(bans: readonly Ban[], table: string, now: number): string {
  const sets = ([4, 6] as const).map((family) => setOf(family, elementsOf(bans, family, now)))
  const rules = [4, 6].map(
    (family) => `    ip${family === 6 ? '6' : ''} saddr @banned${family} tcp dport { 25, 465, 587 } drop`,
  )
  return [
    // Adding first makes the deletion work when there is none yet.
    `table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    ...sets.flat(),
    '  chain input {',
    '    type filter hook input priority filter - 10; policy accept;',
    ...rules,
    '  }',
    '}',
  ].join('\n')
}

function setOf(family: 4 | 6, elements: readonly string[]): string[] {
  const list = elements.length === 0 ? [] : [`    elements = {`, ...elements.map((text) => `      ${text},`), '    }']
  return [`  set banned${family} {`, `    type ipv${family}_addr`, '    flags interval, timeout', ...list, '  }']
}

/** nft wants no overlaps: of a network inside a banned one only the wider goes to the firewall; Sluice itself knows both. */
function elementsOf(bans: readonly Ban[], family: 4 | 6, now: number): string[] {
  const networks = bans.flatMap(({ target, until }) =>
    target.kind === 'network' && target.range.family === family && until > now ? [{ ...target, until }] : [],
  )
  networks.sort((a, b) => a.range.bits - b.range.bits || a.text.localeCompare(b.text))
  const wider = new CidrMap<true>()
  const elements: string[] = []
  for (const { range, text, until } of networks) {
    if (wider.find(firstOf(range))) continue
    wider.set(range, true)
    elements.push(`${text} timeout ${Math.min(LONGEST_S, Math.ceil((until - now) / 1000))}s`)
  }
  return elements
}

function firstOf({ family, bytes }: Cidr) {
  return { family, bytes, texts: new Map<number | object, string>() }
}

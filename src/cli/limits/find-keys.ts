import type { Policy } from '../../config/compile'
import {
  CLIENT_TIER,
  type Dimension,
  type LimitRule,
  NEIGHBOURHOOD_TIER,
  NETWORK_TIER,
  type Tier,
  tierText,
} from '../../gates/limits/rule'
import { parseIp } from '../../keys/address'
import { keyText, keyValue } from '../../keys/key'
import { foldRecipient, foldSender, organisationalDomain } from '../../keys/mailbox'
import type { KeyState, Store } from '../../store/store'
import { tierNames } from './read-key'

/** Counters read from the store for one question; a name that has more is asked about more precisely. */
export const MOST_READ = 100_000

/**
 * The counters that belong to `what`: a key (`sender|me@example.com`, or the beginning of one up to a `|`), an IP
 * address, a mail address, a domain, an account, a tenant, or `<>` for the null sender. An address finds its own
 * counters, not those of its domain; an IP address also the wider networks that hold it.
 */
export async function findKeys(store: Store, policy: Policy, what: string): Promise<KeyState[]> {
  if (what.includes('|')) {
    const states = await store.list(what, MOST_READ)
    return states.filter(({ key }) => key === what || what.endsWith('|') || key.startsWith(`${what}|`))
  }
  const found = new Map<string, KeyState>()
  for (const key of exactKeys(policy, what)) {
    for (const state of await store.list(key, MOST_READ)) if (state.key === key) found.set(key, state)
  }
  for (const rule of policy.rules) {
    for (const { name, tier } of tierNames(rule)) {
      for (const state of await findOfRule(store, rule, name, tier, what)) found.set(state.key, state)
    }
  }
  return [...found.values()]
}

/** Keys of `what` that can be told without asking the store: a whole key, or those of rules that count by one thing. */
export function exactKeys(policy: Policy, what: string): string[] {
  if (what.includes('|')) return what.endsWith('|') ? [] : [what]
  return policy.rules.flatMap((rule) => {
    const [dimension, ...more] = rule.per
    if (dimension === undefined || more.length > 0) return []
    return tierNames(rule).flatMap(({ name, tier }) =>
      valuesFor(dimension, tier, what).map((value) => keyText(name, [value])),
    )
  })
}

/** What {@link exactKeys} cannot name: keys of which `what` is one part, and those of the null sender. */
async function findOfRule(store: Store, rule: LimitRule, name: string, tier: Tier, what: string): Promise<KeyState[]> {
  const wanted = rule.per.map((dimension) => valuesFor(dimension, tier, what).map(keyValue))
  const states: KeyState[] = []
  if (wanted.length > 1 && wanted.some((values) => values.length > 0)) {
    const all = await store.list(`${name}|`, MOST_READ)
    states.push(
      ...all.filter(({ key }) => key.split('|').some((value, at) => at > 0 && wanted[at - 1]?.includes(value))),
    )
  }
  states.push(...(await findNullSender(store, rule, name, what)))
  return states
}

/** Where a key names the sender, the null sender is counted per network and recipient. */
async function findNullSender(store: Store, rule: LimitRule, name: string, what: string): Promise<KeyState[]> {
  if (!rule.per.includes('sender') && !rule.per.includes('sender_domain')) return []
  const start = `${keyText(name, ['<>'])}|`
  if (what === '<>') return store.list(start, MOST_READ)
  const address = parseIp(what)
  if (address) return store.list(start + keyValue(tierText(address, NETWORK_TIER)), MOST_READ)
  const [local, domain] = splitAddress(what)
  if (domain === undefined) return []
  const end = `|${keyValue(foldRecipient(local, domain).address)}`
  return (await store.list(start, MOST_READ)).filter(({ key }) => key.endsWith(end))
}

/** The texts that `what` can have in a key at this dimension; none when it cannot stand there. */
function valuesFor(dimension: Dimension, tier: Tier, what: string): string[] {
  const address = parseIp(what)
  const [local, domain] = splitAddress(what)
  switch (dimension) {
    case 'client':
      // Beside `network` in one key, the client stays a client.
      return address ? [tierText(address, tier === NEIGHBOURHOOD_TIER ? CLIENT_TIER : tier)] : []
    case 'network':
      return address ? [tierText(address, tier)] : []
    case 'sender':
      return domain === undefined ? [] : [foldSender(local, domain).address]
    case 'recipient':
      return domain === undefined ? [] : [foldRecipient(local, domain).address]
    case 'sender_domain':
      return address || domain !== undefined ? [] : [organisationalDomain(what.toLowerCase())]
    case 'recipient_domain':
      return address || domain !== undefined ? [] : [what.toLowerCase()]
    case 'helo':
      return [what.toLowerCase()]
    case 'account':
    case 'tenant':
    case 'session':
      return [what]
  }
}

/** `[local, domain]`; the domain is undefined for a text without `@`. */
function splitAddress(text: string): [string, string | undefined] {
  const at = text.lastIndexOf('@')
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

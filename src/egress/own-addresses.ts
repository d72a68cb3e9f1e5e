import { isEnforced, type Mode } from '../policy/mode'
import type { AddressListings } from '../dns/listed-addresses'
import type { ListZone } from '../dns/list-spec'
import type { BoardChange, BoardEntry, Clock, Store } from '../store/store'
import { pathName } from './providers'
import { pathKey } from './path-key'
import { type EgressPolicy, type Pool, poolsInUse } from './sources'
import type { Action, Order } from './steering-action'
import type { SteeringDesk } from './steering-desk'
import { readObject } from './untrusted'

/** What `automation.own_addresses` of the configuration says; never changed, a reload makes another. */
export interface OwnAddressesPolicy {
  readonly everyMs: number
  /** Lists to ask; none: nothing is looked up. */
  readonly lists: readonly ListZone[]
  /** As the world sees them, by source, besides those that sources are bound to. */
  readonly addresses: ReadonlyMap<string, readonly string[]>
}

/** An address has come on a list, on others, or off all. Told in one process of all. */
export interface ListingChange {
  readonly address: string
  readonly source: string
  /** None: it is off all. */
  readonly lists: readonly string[]
  /** `203.0.113.7 is on list.example (127.0.0.2)`. */
  readonly evidence: string
  /** What becomes of the source; `alone`: no other source could stand in for it. */
  readonly then: 'resting' | 'shadow' | 'alone' | 'free'
  readonly at: number
}

export interface OwnAddressesOptions {
  readonly policy: () => { readonly mode: Mode; readonly ownAddresses: OwnAddressesPolicy }
  readonly egress: () => EgressPolicy
  readonly store: () => Store
  readonly desk: () => SteeringDesk
  /** Never rejects. */
  readonly ask: (addresses: readonly string[], lists: readonly ListZone[]) => Promise<AddressListings[]>
  /** Must not throw. */
  readonly onChange: (change: ListingChange) => void
  readonly clock?: Clock
}

/** An address that is listed, as it stands on the store's board. */
interface Listed {
  readonly address: string
  readonly source: string
  readonly lists: readonly string[]
  /** When a list last said so. */
  readonly seenAt: number
}

const PREFIX = 'own_listed|'
const MOST_ENTRIES = 10_000
const DAY_MS = 86_400_000
/** Lists that fall silent are taken at their last word for so many checks. */
const CHECKS_KEPT = 3

/**
 * Looks our own addresses up on DNS lists. Of all processes one does it each time; all know what it found. A source that is
 * listed rests, if each pool that sends from it has another one that is not.
 */
export class OwnAddresses {
  private readonly clock: Clock
  private readonly known = new Map<string, Listed>()

  constructor(private readonly options: OwnAddressesOptions) {
    this.clock = options.clock ?? Date.now
  }

  /** Knows what any process has found from now on. */
  follow(store: Store): void {
    store.onBoard((change) => this.apply(change))
  }

  /** How many of our addresses are on each list. */
  get counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    const now = this.clock()
    for (const { seenAt, lists } of this.known.values()) {
      if (now - seenAt > this.keptMs()) continue
      for (const list of lists) counts.set(list, (counts.get(list) ?? 0) + 1)
    }
    return counts
  }

  /** Looks all up, if it is time and no other process does. Rejects with `StoreError`. */
  async check(): Promise<void> {
    const { mode, ownAddresses: policy } = this.options.policy()
    const addresses = ownAddressesOf(this.options.egress(), policy)
    if (mode.kind === 'off' || policy.lists.length === 0 || addresses.size === 0) return
    if (!(await this.takeTurn(policy))) return
    const before = await this.readListed()
    const found = await this.options.ask([...addresses.keys()], policy.lists)
    const now = this.clock()
    const listed = new Map<string, Listed>()
    for (const listings of found) {
      const one = listedOf(listings, addresses.get(listings.address)!, before.get(listings.address), now, this.keptMs())
      if (one) listed.set(one.address, one)
    }
    await this.post(before, listed, now)
    const resting = await this.rest(new Set([...listed.values()].map(({ source }) => source)), found, addresses, now)
    this.tell(before, listed, found, resting, now)
  }

  private async takeTurn({ everyMs }: OwnAddressesPolicy): Promise<boolean> {
    const turn = { op: 'rate', key: 'own_addresses_check', intervalMs: Math.floor(everyMs * 0.9) } as const
    const { committed, degraded } = await this.options.store().judge([{ ...turn, enforced: true, burst: 1, cost: 1 }])
    return committed && !degraded
  }

  private async readListed(): Promise<Map<string, Listed>> {
    const entries = await this.options.store().readBoard(PREFIX, MOST_ENTRIES)
    const listed = entries
      .filter(({ expiresAt }) => expiresAt > this.clock())
      .flatMap((entry) => readListed(entry) ?? [])
    return new Map(listed.map((one) => [one.address, one]))
  }

  private async post(
    before: ReadonlyMap<string, Listed>,
    listed: ReadonlyMap<string, Listed>,
    now: number,
  ): Promise<void> {
    const store = this.options.store()
    const expiresAt = now + this.keptMs()
    const entries = [...listed.values()].map((one) => ({
      key: keyOf(one.address),
      text: JSON.stringify(one),
      expiresAt,
    }))
    if (entries.length > 0) await store.post(entries)
    const gone = [...before.keys()].filter((address) => !listed.has(address))
    if (gone.length > 0) await store.withdraw(gone.map(keyOf))
  }

  /** Has sources rest, and lets others go on. Returns those for which a rest is ordered, by its mode. */
  private async rest(
    listed: ReadonlySet<string>,
    found: readonly AddressListings[],
    sourceOf: ReadonlyMap<string, string>,
    now: number,
  ): Promise<Map<string, Action['mode']>> {
    const { policy, egress, desk } = this.options
    const pools = poolsInUse(egress())
    const resting = new Map<string, Action['mode']>()
    for (const source of new Set(sourceOf.values())) {
      const path = `${pathName(source, '')}*`
      const own = await desk().find({ origin: 'guard', kind: 'suspend', path })
      if (!listed.has(source) || !hasStandIn(source, pools, listed)) {
        if (own) await desk().withdraw([own])
        continue
      }
      const mode = isEnforced(policy().mode, path) ? 'enforce' : 'shadow'
      resting.set(source, mode)
      const forMs = Math.max(DAY_MS, this.keptMs())
      if (own?.mode === mode && own.until - now > forMs / 2) continue
      const evidence = found
        .filter(({ address, hits }) => hits.length > 0 && sourceOf.get(address) === source)
        .map(sayHits)
      const order: Order = {
        ...{ path, kind: 'suspend', origin: 'guard', values: { suspended: true }, mode },
        ...{ evidence: evidence.join('; '), since: now, until: now + forMs },
      }
      await desk().post([order])
    }
    return resting
  }

  private tell(
    before: ReadonlyMap<string, Listed>,
    listed: ReadonlyMap<string, Listed>,
    found: readonly AddressListings[],
    resting: ReadonlyMap<string, Action['mode']>,
    at: number,
  ): void {
    for (const { address, source, lists } of listed.values()) {
      if (lists.join(' ') === before.get(address)?.lists.join(' ')) continue
      const mode = resting.get(source)
      const then = mode === undefined ? 'alone' : mode === 'enforce' ? 'resting' : 'shadow'
      const evidence = sayHits(found.find((one) => one.address === address)!)
      this.options.onChange({ address, source, lists, evidence, then, at })
    }
    for (const { address, source } of before.values()) {
      if (listed.has(address)) continue
      const isListed = [...listed.values()].some((one) => one.source === source)
      const evidence = `${address} is on no list any more`
      this.options.onChange({ address, source, lists: [], evidence, then: isListed ? 'alone' : 'free', at })
    }
  }

  private apply(change: BoardChange): void {
    if (change.kind === 'withdrawn') return void this.known.delete(change.key)
    if (change.kind === 'all') this.known.clear()
    for (const entry of change.kind === 'all' ? change.entries : [change.entry]) {
      const listed = readListed(entry)
      if (listed) this.known.set(entry.key, listed)
    }
  }

  private keptMs(): number {
    return CHECKS_KEPT * this.options.policy().ownAddresses.everyMs
  }
}

/** Our addresses, as far as they are known, each with its source. */
export function ownAddressesOf({ sources }: EgressPolicy, { addresses }: OwnAddressesPolicy): Map<string, string> {
  const all = new Map<string, string>()
  for (const { name, bind, bind6 } of sources.values()) {
    for (const address of [bind, bind6, ...(addresses.get(name) ?? [])])
      if (address !== undefined) all.set(address, name)
  }
  return all
}

/** Pools that some mail goes out by. */
function hasStandIn(source: string, pools: readonly Pool[], listed: ReadonlySet<string>): boolean {
  const of = pools.filter(({ members }) => members.some((member) => member.source.name === source))
  return of.length > 0 && of.every(({ members }) => members.some((member) => !listed.has(member.source.name)))
}

function listedOf(
  { address, hits, silent }: AddressListings,
  source: string,
  before: Listed | undefined,
  now: number,
  keptMs: number,
): Listed | undefined {
  const isRemembered = before !== undefined && now - before.seenAt < keptMs
  const unheard = isRemembered ? before.lists.filter((list) => silent.includes(list)) : []
  const lists = [...new Set([...hits.map(({ list }) => list), ...unheard])].sort()
  if (lists.length === 0) return undefined
  return { address, source, lists, seenAt: hits.length > 0 ? now : before!.seenAt }
}

function sayHits({ address, hits, silent }: AddressListings): string {
  if (hits.length === 0) return `${address} was listed, and ${silent.join(', ')} does not answer`
  return `${address} is on ${hits.map(({ list, codes }) => `${list} (${codes.join(' ')})`).join(', ')}`
}

function keyOf(address: string): string {
  return pathKey(PREFIX.slice(0, -1), address)
}

function readListed({ key, text }: BoardEntry): Listed | undefined {
  if (!key.startsWith(PREFIX)) return undefined
  const { address, source, lists, seenAt } = readObject(text) ?? {}
  const isWhole = typeof address === 'string' && typeof source === 'string' && typeof seenAt === 'number'
  if (!isWhole || !Array.isArray(lists) || !lists.every((list) => typeof list === 'string')) return undefined
  return { address, source, lists, seenAt }
}

import { CidrMap, type IpAddress } from '../../keys/address'
import type { Mailbox } from '../../keys/mailbox'
import type { BoardChange, BoardEntry, Clock } from '../../store/store'
import type { Ban } from '../../policy/ban'
import { BAN_PREFIX, banOf } from './ban-entry'

const LEAST_SWEEP = 1000

/**
 * All bans in force, in this process: a copy of what stands on the store's board, so that a banned client costs no trip
 * to the store. Bounded by the board.
 */
export class BanList {
  private networks = new CidrMap<Ban>()
  private readonly accounts = new Map<string, Ban>()
  private readonly domains = new Map<string, Ban>()
  private readonly all = new Map<string, Ban>()
  private sweepAt = LEAST_SWEEP

  constructor(private readonly clock: Clock = Date.now) {}

  /** Takes over a change of the board; entries that are no bans are left alone. */
  apply(change: BoardChange): void {
    switch (change.kind) {
      case 'posted':
        return this.put(change.entry)
      case 'withdrawn':
        return this.remove(change.key)
      case 'all':
        this.networks = new CidrMap()
        this.accounts.clear()
        this.domains.clear()
        this.all.clear()
        for (const entry of change.entries) this.put(entry)
        return
    }
  }

  /** Bans that are kept, those that have just ended included. */
  get size(): number {
    return this.all.size
  }

  /** The narrowest ban that holds the address. */
  findAddress(address: IpAddress): Ban | undefined {
    return this.networks.empty ? undefined : this.live(this.networks.find(address))
  }

  findAccount(account: string): Ban | undefined {
    return this.live(this.accounts.get(account))
  }

  /** Of the domain itself, or of one that it is a subdomain of. */
  findDomain({ domain }: Mailbox): Ban | undefined {
    if (this.domains.size === 0) return undefined
    for (let name = domain; name !== ''; name = parentOf(name)) {
      const ban = this.live(this.domains.get(name))
      if (ban) return ban
    }
    return undefined
  }

  private put(entry: BoardEntry): void {
    this.remove(entry.key)
    const ban = banOf(entry)
    if (!ban || ban.until <= this.clock()) return
    this.all.set(entry.key, ban)
    const { target } = ban
    if (target.kind === 'network') this.networks.set(target.range, ban)
    else this.namesOf(target.kind).set(target.name, ban)
    if (this.all.size >= this.sweepAt) this.sweep()
  }

  /** Nobody tells when a ban ends. */
  private sweep(): void {
    const now = this.clock()
    for (const [key, { until }] of this.all) if (until <= now) this.remove(key)
    this.sweepAt = Math.max(LEAST_SWEEP, this.all.size * 2)
  }

  private remove(key: string): void {
    const ban = this.all.get(key)
    if (!ban) return
    this.all.delete(key)
    const { target } = ban
    if (target.kind === 'network') this.networks.delete(target.range)
    else this.namesOf(target.kind).delete(target.name)
  }

  private namesOf(kind: 'account' | 'domain'): Map<string, Ban> {
    return kind === 'account' ? this.accounts : this.domains
  }

  /** A ban that has ended goes when somebody stumbles on it, or at the next sweep. */
  private live(ban: Ban | undefined): Ban | undefined {
    if (!ban || ban.until > this.clock()) return ban
    this.remove(BAN_PREFIX + ban.target.text)
    return undefined
  }
}

function parentOf(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1)
}

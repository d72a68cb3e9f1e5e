import { parseIp } from '../../keys/address'
import { type Ban, type BanTarget, OPERATOR, cleanReason, isAutomatic, readOrigin, readTarget } from '../../policy/ban'
import { type Clock, MAX_BOARD_ENTRIES, type Store } from '../../store/store'
import { BAN_PREFIX, banKey, banOf, entryOf } from './ban-entry'
import { countsAgainst } from './evidence'
import type { Protection } from './jail-policy'

/** What a person or another program wants to have banned. */
export interface BanRequest {
  /** As {@link readTarget} reads it. */
  readonly target: string
  readonly forMs: number
  readonly reason: string
  /** A token. */
  readonly origin: string
}

/** What came of a wish to lift a ban. */
export interface Unbanned {
  readonly target: string
  /** There was one, and it is lifted. */
  readonly found: boolean
  /** There is one, of another origin. */
  readonly stays?: Ban
}

/** Something that cannot be: what, and how to mend it. */
export interface Problem {
  readonly problem: string
}

/** No ban is for ever: what nobody remembers the reason of must end by itself. */
export const MOST_BAN_MS = 366 * 86_400_000
const LEAST_BAN_MS = 1000

/** Bans and pardons on behalf of people and other programs. Rejects with `StoreError` when the store cannot be told. */
export class BanDesk {
  constructor(
    private readonly store: Store,
    private readonly protection: Protection,
    private readonly clock: Clock = Date.now,
  ) {}

  /** What a request would do; nothing is changed. */
  examine({ target, forMs, reason, origin }: BanRequest): Ban | Problem {
    const read = readTarget(target)
    if ('problem' in read) return read
    // An address may be protected while the rest of its /64, for which it stands, is not.
    const address = parseIp(target.trim())
    const because = (address && this.protection(address)) ?? protectedBecause(read.target, this.protection)
    if (because !== undefined) {
      return { problem: `${address ? target.trim() : read.target.text} is ${because}, which is never banned` }
    }
    if (!(forMs >= LEAST_BAN_MS && forMs <= MOST_BAN_MS)) {
      return { problem: 'a ban lasts from 1 second to 366 days; nothing stays for ever' }
    }
    const known = readOrigin(origin)
    if (known === undefined)
      return { problem: 'an origin is one word of a-z, 0-9, dot, dash and underscore, at most 40' }
    if (isAutomatic({ origin: known })) return { problem: `the origin ${known} is Sluice's own: write another word` }
    const since = this.clock()
    return { target: read.target, origin: known, reason: cleanReason(reason), since, until: since + Math.round(forMs) }
  }

  /** Bans for every server that shares the store, in place of an earlier ban of the same target, also of a longer one. */
  async ban(request: BanRequest): Promise<Ban | Problem> {
    const ban = this.examine(request)
    if (!('problem' in ban)) await this.store.post([entryOf(ban)])
    return ban
  }

  /**
   * The same for a program, which knows only what it has banned itself, and will lift it: it prolongs a ban, and never
   * shortens one, nor takes an operator's for its own. What stays is returned, if it `holds`, which in shadow it does not.
   */
  async banFor(request: BanRequest, holds: (ban: Ban) => boolean): Promise<{ ban: Ban; changed: boolean } | Problem> {
    const ban = this.examine(request)
    if ('problem' in ban) return ban
    const known = await this.find(ban.target)
    const stays = known && (known.origin === OPERATOR || known.until >= ban.until)
    if (stays && holds(known)) return { ban: known, changed: false }
    await this.store.post([entryOf(ban)])
    return { ban, changed: true }
  }

  /**
   * Lifts the ban of just this target, whoever made it, and forgets what counts against the target, or the next single
   * offence would ban it again, for longer. With `origin` lifts only a ban of that origin, which knows of no more.
   */
  async unban(target: string, origin?: string): Promise<Unbanned | Problem> {
    const read = readTarget(target)
    if ('problem' in read) return read
    const { text } = read.target
    const known = await this.find(read.target)
    if (known && origin !== undefined && known.origin !== origin) return { target: text, found: false, stays: known }
    // While the ban stands nothing is counted, so nothing comes in between.
    const forgotten = known && origin === undefined ? countsAgainst(read.target) : []
    if (forgotten.length > 0) await this.store.reset(forgotten)
    return { target: text, found: (await this.store.withdraw([banKey(read.target)])) > 0 }
  }

  /** What {@link unban} would do; nothing is changed. */
  async look(target: string): Promise<Unbanned | Problem> {
    const read = readTarget(target)
    if ('problem' in read) return read
    return { target: read.target.text, found: (await this.find(read.target)) !== undefined }
  }

  /** The ban of just this target. */
  async find(target: BanTarget): Promise<Ban | undefined> {
    const key = banKey(target)
    const entries = await this.store.readBoard(key, MAX_BOARD_ENTRIES)
    const own = entries.find((entry) => entry.key === key)
    return own && banOf(own)
  }

  /** All bans, the soonest to end first. */
  async list(): Promise<Ban[]> {
    const entries = await this.store.readBoard(BAN_PREFIX, MAX_BOARD_ENTRIES)
    return entries.flatMap((entry) => banOf(entry) ?? []).sort((a, b) => a.until - b.until)
  }
}

/** Why a target must not be banned; undefined when it may be. Accounts and domains always may. */
export function protectedBecause(target: BanTarget, protection: Protection): string | undefined {
  if (target.kind !== 'network') return undefined
  const { family, bytes } = target.range
  return protection({ family, bytes, texts: new Map() })
}

/** A ban for other programs: `sluice bans --json`, and the HTTP API. */
export function banForMachines({ target, origin, reason, since, until }: Ban): object {
  return {
    target: target.text,
    kind: target.kind,
    origin,
    reason,
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
  }
}

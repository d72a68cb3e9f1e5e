import { type Tape, append, emptyTape, settleTime, trim } from '../engine/tape'
import type { Ask, LeaseRef, RateAsk, Verdict, Window, WindowAsk } from '../store'
import type { Charge } from './shared-store'

/** Bound of each of the two lists. Beyond it the entry that was made first is forgotten. */
const MOST = 10_000

/** Admissions of one key: a tape of its longest window, in whose 1/60 slices units are grouped as everywhere. */
interface WindowDebt {
  readonly op: 'window'
  windows: readonly Window[]
  readonly tape: Tape
}

/** Admissions of one bucket: when it would be full again if it had been full before. */
interface RateDebt {
  readonly op: 'rate'
  depthMs: number
  tat: number
  /** When the last slot that was reserved begins. */
  startsAt?: number
}

/**
 * What the shared store does not know yet: units this process admitted by itself, and leases it could not give back.
 * Bounded in keys and, by the tapes, in entries for each key.
 */
export class OutageLedger {
  private readonly debts = new Map<string, WindowDebt | RateDebt>()
  private readonly releases = new Map<string, LeaseRef>()

  get isEmpty(): boolean {
    return this.debts.size === 0 && this.releases.size === 0
  }

  /**
   * Records what a verdict of the local store admitted. Leases are not recorded: their holders renew them. Nor are
   * triplets, merits and different values: they are no quota, and what was seen of them here stays here. Nor is anything
   * a merit might have excused: the shared store, which knows the merit, would perhaps not have counted it.
   */
  noteAdmitted(asks: readonly Ask[], verdict: Verdict, now: number): void {
    if (!verdict.committed) return
    asks.forEach((ask, index) => {
      if ((ask.op !== 'window' && ask.op !== 'rate') || ask.unless !== undefined) return
      if (ask.cost <= 0 || !verdict.answers[index]!.ok) return
      const known = this.debts.get(ask.key)
      const { startsInMs } = verdict.answers[index]!
      const debt = ask.op === 'window' ? addUnits(known, ask, now) : addDebt(known, ask, startsInMs, now)
      put(this.debts, ask.key, debt)
    })
  }

  noteReleased(leases: readonly LeaseRef[]): void {
    for (const lease of leases) put(this.releases, `${lease.id} ${lease.key}`, lease)
  }

  /** Drops what is owed for a key that was reset. */
  forget(key: string): void {
    this.debts.delete(key)
  }

  /** Takes up to `most` charges out; one that says nothing any more by `now` is dropped on the way. */
  takeCharges(most: number, now: number): Charge[] {
    const charges: Charge[] = []
    for (const [key, debt] of this.debts) {
      if (charges.length === most) break
      this.debts.delete(key)
      const charge = debt.op === 'window' ? windowCharge(key, debt, now) : rateCharge(key, debt, now)
      if (charge) charges.push(charge)
    }
    return charges
  }

  takeReleases(most: number): LeaseRef[] {
    const taken: LeaseRef[] = []
    for (const [name, lease] of this.releases) {
      if (taken.length === most) break
      this.releases.delete(name)
      taken.push(lease)
    }
    return taken
  }
}

function addUnits(known: WindowDebt | RateDebt | undefined, ask: WindowAsk, now: number): WindowDebt {
  const longest = ask.windows.reduce((a, b) => (b.windowMs > a.windowMs ? b : a))
  const fits = known?.op === 'window' && known.tape.windowMs === longest.windowMs
  const debt: WindowDebt = fits ? known : { op: 'window', windows: ask.windows, tape: emptyTape(longest.windowMs) }
  debt.windows = ask.windows
  const at = settleTime(debt.tape, now)
  trim(debt.tape, at)
  append(debt.tape, at, longest.limit, ask.cost)
  return debt
}

function addDebt(
  known: WindowDebt | RateDebt | undefined,
  ask: RateAsk,
  startsInMs: number | undefined,
  now: number,
): RateDebt {
  const before = known?.op === 'rate' ? known : undefined
  const beginsAt = now + (startsInMs ?? 0)
  const tat = Math.max(before?.tat ?? 0, beginsAt) + ask.cost * ask.intervalMs
  const depthMs = ask.burst * ask.intervalMs
  const startsAt = startsInMs ? Math.max(before?.startsAt ?? 0, beginsAt) : before?.startsAt
  return startsAt === undefined ? { op: 'rate', depthMs, tat } : { op: 'rate', depthMs, tat, startsAt }
}

function windowCharge(key: string, { windows, tape }: WindowDebt, now: number): Charge | undefined {
  trim(tape, now)
  const entries: { agoMs: number; units: number }[] = []
  for (let at = 0, before = tape.base; at < tape.entries.length; at += 2) {
    const total = tape.entries[at + 1]!
    entries.push({ agoMs: Math.max(0, now - tape.entries[at]!), units: total - before })
    before = total
  }
  return entries.length === 0 ? undefined : { op: 'window', key, windows, entries }
}

function rateCharge(key: string, { depthMs, tat, startsAt = 0 }: RateDebt, now: number): Charge | undefined {
  if (tat <= now) return undefined
  const charge = { op: 'rate', key, depthMs, debtMs: tat - now } as const
  return startsAt > now ? { ...charge, startsInMs: startsAt - now } : charge
}

/** A known key keeps its place: one that is removed to be put last stays behind in its bucket, see BoundedTable. */
function put<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value)
  if (map.size <= MOST) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    break
  }
}

import { pathKey } from '../../egress/path-key'
import { countingAsk } from '../../policy/counting'
import type { Ask, Store } from '../../store/store'
import { COUNTERS, type Counter, type Counts, noCounts } from './counting'
import type { GuardPolicy } from './guard-policy'

/** What is known of a sender within the windows of the policy, over all processes. */
export type Figures = Readonly<Counts>

/** Of one trip: a batch holds 64 asks. */
export const SENDERS_A_TRIP = 10
/** Of the delivered and of complaints about them. */
const SLOW_COUNTERS: ReadonlySet<Counter> = new Set(['delivered', 'complaints'])

type Windows = Pick<GuardPolicy, 'windowMs'> & { readonly complaints: Pick<GuardPolicy['complaints'], 'windowMs'> }

/**
 * Tells the store what is new of some senders, {@link SENDERS_A_TRIP} at most, and hears what all processes have told it.
 * Undefined when the store is out of reach: it is told later, once, and nobody can be judged by the share of one process.
 */
export async function tellCounts(
  store: Store,
  senders: readonly { readonly target: string; readonly counts: Figures }[],
  policy: Windows,
): Promise<Figures[] | undefined> {
  return judge(store, 'guard', senders, policy)
}

/**
 * What does not count against somebody any more because it was held against somebody more particular, who is slowed down or
 * paused for it: `counts` more of it.
 */
export async function excuse(
  store: Store,
  targets: readonly string[],
  counts: Figures,
  policy: Windows,
): Promise<void> {
  const senders = targets.map((target) => ({ target, counts }))
  if (senders.length > 0) await judge(store, 'guard_excused', senders, policy)
}

/** What counts of it, without what is excused. */
export async function withoutExcused(
  store: Store,
  target: string,
  figures: Figures,
  policy: Windows,
): Promise<Figures | undefined> {
  const excused = (await judge(store, 'guard_excused', [{ target, counts: noCounts() }], policy))?.[0]
  if (!excused) return undefined
  return difference(figures, excused)
}

/** Never below 0. */
export function difference(one: Figures, other: Figures): Figures {
  const left = noCounts()
  for (const counter of COUNTERS) left[counter] = Math.max(0, one[counter] - other[counter])
  return left
}

/** Keys of all that is counted of a sender, so that it can be forgotten. */
export function keysOf(target: string): string[] {
  return ['guard', 'guard_excused'].flatMap((what) => COUNTERS.map((counter) => pathKey(`${what}_${counter}`, target)))
}

async function judge(
  store: Store,
  what: 'guard' | 'guard_excused',
  senders: readonly { readonly target: string; readonly counts: Figures }[],
  policy: Windows,
): Promise<Figures[] | undefined> {
  const asks: Ask[] = senders.flatMap(({ target, counts }) =>
    COUNTERS.map((counter) => {
      const windowMs = SLOW_COUNTERS.has(counter) ? policy.complaints.windowMs : policy.windowMs
      // Those of a share always together, also when there is nothing new: so they leave the window together.
      return countingAsk(pathKey(`${what}_${counter}`, target), counts[counter], windowMs)
    }),
  )
  const { answers, degraded } = await store.judge(asks)
  if (degraded) return undefined
  return senders.map(({ counts }, index) => {
    const figures = noCounts()
    COUNTERS.forEach((counter, at) => {
      figures[counter] = counts[counter] + (answers[index * COUNTERS.length + at]?.count ?? 0)
    })
    return figures
  })
}

import { partsOf } from '../../egress/named-path'
import { type PathReport, type PathTotal, totalsOf } from '../../egress/path-load'
import { readCounts } from '../../egress/warmup/counters'
import { WarmupDesk, courseKey } from '../../egress/warmup/desk'
import { lastLeavesAt } from '../../egress/warmup/estimate'
import { OTHER, type WarmupId, type WarmupPolicy, ladderOf } from '../../egress/warmup/policy'
import type { Store } from '../../store/store'

/**
 * What all processes together have to do, by path. Of mail that a warm-up holds, when the last of it leaves goes by the quotas of
 * the days to come, with all that waits for them, by whatever path.
 */
export async function readTotals(
  store: Store,
  policy: WarmupPolicy,
  loads: readonly PathReport[],
  now: number,
): Promise<PathTotal[]> {
  const totals = totalsOf(loads, now)
  if (!totals.some(({ hold }) => hold === 'warmup')) return totals
  const waiting = new Map<string, number>()
  for (const total of totals) {
    const key = keyOf(total)
    waiting.set(key, (waiting.get(key) ?? 0) + total.waitingInAll)
  }
  return Promise.all(
    totals.map(async (total) => {
      if (total.hold !== 'warmup') return total
      return { ...total, emptyInMs: await leavesIn(store, policy, idOf(total), waiting.get(keyOf(total))!, now) }
    }),
  )
}

async function leavesIn(store: Store, policy: WarmupPolicy, id: WarmupId, waiting: number, now: number) {
  const ladder = ladderOf(policy, id)
  const course = await new WarmupDesk(store).read(id)
  if (!ladder || !course) return undefined
  const { sent: used } = await readCounts(store, id, course.date)
  const at = lastLeavesAt(waiting, { course, used }, ladder, policy, now)
  return at === undefined ? undefined : Math.max(1000, at - now)
}

function idOf({ path, reports }: PathTotal): WarmupId {
  const provider = reports.find((report) => report.provider !== undefined)?.provider
  return { source: partsOf(path)?.source ?? '', group: provider ?? OTHER }
}

function keyOf(total: PathTotal): string {
  return courseKey(idOf(total))
}

import type { LoadedPolicy } from '../../config/load'
import { addDays } from '../../egress/warmup/calendar'
import { type Counts, readCounts } from '../../egress/warmup/counters'
import { type Course, beginCourse } from '../../egress/warmup/course'
import { WarmupDesk } from '../../egress/warmup/desk'
import { type Ladder, isWarm, planFrom } from '../../egress/warmup/ladder'
import { OTHER, type WarmupId, type WarmupPolicy, ladderOf } from '../../egress/warmup/policy'
import type { Store } from '../../store/store'
import { CliError } from '../terminal'
import type { CurveDay } from './curve'

/** A warm-up with all that is known of it. */
export interface Look {
  readonly id: WarmupId
  readonly ladder: Ladder
  readonly course: Course
  readonly counts: Counts
  /** Nothing was sent yet: so it will begin. */
  readonly isToCome: boolean
}

export const WHO_HELP = 'a source, or tenant:NAME'
const NOTHING: Counts = { sent: 0, back: 0, over: 0, delivered: 0, bounced: 0, deferred: 0, complaints: 0 }

export interface Who {
  readonly source?: string
  readonly group?: string | undefined
  readonly tenant?: string
}

/** Throws a {@link CliError} for whom the configuration does not let warm up. */
export function readWho(text: string, group: string | undefined, { policy, egress }: LoadedPolicy): Who {
  const { warmup } = policy.egress
  if (text.startsWith('tenant:')) {
    if (warmup.tenants === undefined) throw new CliError('egress.warmup.new_tenants is off in config/sluice.yaml', 2)
    return { tenant: text.slice('tenant:'.length).toLowerCase() }
  }
  const source = warmup.sources.get(text)
  if (!source) {
    const known = [...warmup.sources.keys()].join(', ')
    const mend =
      known === ''
        ? `none does; write \`warmup: true\` behind one under egress.sources in config/sluice.yaml`
        : `of egress.sources in config/sluice.yaml ${known} does`
    throw new CliError(`no source called ${text} warms up: ${mend}`, 2)
  }
  // What nothing is called by would never be used, and stand there for ever.
  if (group !== undefined && group !== OTHER && !egress.providers.has(group)) {
    const names = [...[...egress.providers.keys()].sort(), OTHER].join(', ')
    throw new CliError(`no provider is called ${group}: write one of ${names}`, 2)
  }
  if (group !== undefined && source.groups?.includes(group) === false) {
    throw new CliError(`${text} warms up with ${source.groups.join(', ')}, and is warm for ${group}`, 2)
  }
  return { source: text, group }
}

export function isOf(id: WarmupId, { source, group, tenant }: Who): boolean {
  if ('tenant' in id) return id.tenant === tenant
  return id.source === source && (group === undefined || id.group === group)
}

export function nameOf(id: WarmupId): string {
  return 'tenant' in id ? `tenant:${id.tenant}` : `${id.source}/${id.group}`
}

/** Those that have begun, of all or of one; where one was named that has not, as it will begin. */
export async function lookAt(store: Store, policy: WarmupPolicy, who: Who | undefined, now: number): Promise<Look[]> {
  const begun = await new WarmupDesk(store).list()
  const looks: Look[] = []
  for (const { id, course } of begun) {
    const ladder = ladderOf(policy, id)
    if (!ladder || (who && !isOf(id, who))) continue
    looks.push({ id, ladder, course, counts: await readCounts(store, id, course.date), isToCome: false })
  }
  if (looks.length > 0 || who?.source === undefined) return looks
  const id = { source: who.source, group: who.group ?? policy.sources.get(who.source)?.groups?.[0] ?? OTHER }
  const ladder = ladderOf(policy, id)!
  const course = beginCourse(ladder, policy.calendar.dayAt(now).date)
  return [{ id, ladder, course, counts: NOTHING, isToCome: true }]
}

/** Days to come, today's first, if each goes well. */
export function planOf({ ladder, course }: Look): CurveDay[] {
  const quotas = course.paused ? [course.quota] : planFrom(ladder, course.quota)
  return quotas.map((quota, day) => ({ date: addDays(course.date, day), quota, sent: undefined }))
}

/** Days that were, and today. */
export function pastOf({ course, counts }: Look): CurveDay[] {
  const { history, date, quota } = course
  const days = history.map((day, index) => ({ ...day, date: addDays(date, index - history.length) }))
  return [...days, { date, quota, sent: counts.sent }]
}

/** When it is warm, if each day goes well; undefined while it is paused. */
export function warmOn({ ladder, course }: Look): string | undefined {
  if (isWarm(ladder, course.quota)) return course.date
  return course.paused ? undefined : addDays(course.date, planFrom(ladder, course.quota).length - 1)
}

import type { Calendar } from './calendar'
import type { Course } from './course'
import { type Ladder, isWarm, stepUp } from './ladder'
import type { WarmupPolicy } from './policy'
import { lastCall, rateAt } from './spread'

export interface Standing {
  readonly course: Course
  /** Recipients of today's quota that are gone. */
  readonly used: number
}

/** Further ahead nobody can tell. */
const MOST_DAYS = 400

/**
 * When the last of so many recipients leaves that wait now, in milliseconds since 1970: by today's rate, then by the quotas
 * of the days to come, if each goes well. Undefined when it is further off than a year.
 */
export function lastLeavesAt(
  waiting: number,
  { course, used }: Standing,
  ladder: Ladder,
  policy: Pick<WarmupPolicy, 'calendar' | 'spread'>,
  now: number,
): number | undefined {
  if (waiting <= 0) return now
  const { calendar, spread } = policy
  const today = dayOf(calendar, course, now)
  const left = Math.max(0, course.quota - used)
  const isQuiet = now >= lastCall(today)
  if (!isQuiet && waiting <= left) {
    return spread ? now + waiting * rateAt(spread, today, course.quota, used, now).intervalMs : now
  }
  let rest = isQuiet ? waiting : waiting - left
  let quota = course.quota
  let day = today
  for (let days = 0; days < MOST_DAYS; days++) {
    if (!course.paused) quota = stepUp(ladder, quota)
    day = calendar.dayAt(day.endsAt)
    if (rest <= quota || isWarm(ladder, quota)) {
      return spread ? day.startsAt + Math.min(1, rest / quota) * (lastCall(day) - day.startsAt) : day.startsAt
    }
    rest -= quota
  }
  return undefined
}

/** A course may be a day ahead of this process, whose clock is late, or of whoever has gone ahead by a wrong one. */
function dayOf(calendar: Calendar, { date }: Course, now: number) {
  const today = calendar.dayAt(now)
  return date > today.date ? calendar.dayOf(date) : today
}

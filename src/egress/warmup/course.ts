import { isAmount } from '../untrusted'
import { addDays, daysFrom, isDate } from './calendar'
import { type DayFigures, NO_FIGURES, judgeDay } from './judge'
import { type Ladder, isWarm, stepDown, stepUp } from './ladder'
import type { WarmupPolicy } from './policy'

/** What was decided when a day was over, as one letter: up, hold, down, cooled, begun anew after a long rest, paused. */
export const VERDICTS = { u: 'up', h: 'hold', d: 'down', c: 'cooled', a: 'anew', p: 'paused' } as const
export type VerdictLetter = keyof typeof VERDICTS

export interface PastDay extends DayFigures {
  readonly quota: number
  readonly verdict: VerdictLetter
}

/** How far a warm-up has come; all of it that lasts. */
export interface Course {
  /** The day that the quota is for. */
  readonly date: string
  /** Recipients on that day. */
  readonly quota: number
  readonly began: string
  /** It stays as it is from day to day. */
  readonly paused: boolean
  /** Days of rest in a row. */
  readonly rested: number
  /** Why the quota is what it is. */
  readonly why: string
  /** The days before `date`, the last one last; at most {@link MOST_DAYS}. */
  readonly history: readonly PastDay[]
}

export const MOST_DAYS = 60
const MOST_WHY = 160
/** What is older is no day of this course: the clock was wrong, or everything stood still for long. */
const MOST_BEHIND = 400

export function beginCourse(ladder: Ladder, date: string): Course {
  const quota = Math.min(ladder.start, ladder.until)
  return { date, quota, began: date, paused: false, rested: 0, why: 'begun', history: [] }
}

/**
 * The course on a later day. `figures` are those of its last day; nothing was sent on days between. A day that is not later
 * changes nothing: who went ahead because of a wrong clock waits there.
 */
export function roll(course: Course, ladder: Ladder, policy: WarmupPolicy, today: string, figures: DayFigures): Course {
  let rolled = course
  let said = figures
  for (let day = 0; day < MOST_BEHIND && rolled.date < today; day++) {
    rolled = endDay(rolled, ladder, policy, said)
    said = NO_FIGURES
  }
  // A gap that is longer than all that is remembered.
  return rolled.date < today ? { ...rolled, date: today } : rolled
}

function endDay(course: Course, ladder: Ladder, policy: WarmupPolicy, figures: DayFigures): Course {
  const { date, quota, paused, history } = course
  const { below, after, over } = policy.rest
  const isRest = ladder.cools && figures.sent < quota * below
  const rested = paused ? course.rested : isRest ? course.rested + 1 : 0
  const following = (verdict: VerdictLetter, quotaThen: number, why: string): Course => ({
    ...course,
    date: addDays(date, 1),
    quota: Math.max(1, Math.min(quotaThen, ladder.until)),
    rested,
    why: why.slice(0, MOST_WHY),
    history: [...history, { ...figures, quota, verdict }].slice(-MOST_DAYS),
  })
  if (paused) return following('p', quota, 'paused')
  if (rested >= over) return following('a', ladder.start, `${rested} days of rest: it begins anew`)
  if (rested > after) return following('c', stepDown(ladder, quota), `${rested} days of rest: it cools`)
  if (isWarm(ladder, quota)) return following('h', quota, 'warm')
  const { verdict, why } = judgeDay(policy.judgement, quota, figures)
  if (verdict === 'up') return following('u', stepUp(ladder, quota), why)
  return verdict === 'down' ? following('d', stepDown(ladder, quota), why) : following('h', quota, why)
}

/** As it stands on the board, with whose it is; of a long one the oldest days are left out. */
export function courseText(whose: object, course: Course, most: number): string {
  const { history, ...rest } = course
  for (let days = history.length; ; days--) {
    const kept = history
      .slice(history.length - days)
      .map(dayText)
      .join(',')
    const text = JSON.stringify({ ...whose, ...rest, history: kept })
    if (text.length <= most || days === 0) return text
  }
}

/** Undefined for what is none, or what a newer release has written in another way. */
export function readCourse(read: Readonly<Record<string, unknown>>): Course | undefined {
  const { date, began, quota, paused, rested, why, history } = read
  if (!isDate(date) || !isDate(began)) return undefined
  if (!isAmount(quota) || quota < 1 || !isAmount(rested) || typeof paused !== 'boolean') return undefined
  if (typeof why !== 'string' || typeof history !== 'string') return undefined
  const days = history === '' ? [] : history.split(',').map(readDay)
  if (days.some((day) => day === undefined) || daysFrom(began, date) > 100_000) return undefined
  return {
    date,
    began,
    quota: Math.floor(quota),
    paused,
    rested,
    why: why.slice(0, MOST_WHY),
    history: days as PastDay[],
  }
}

const COUNTS = ['quota', 'sent', 'delivered', 'bounced', 'deferred', 'complaints'] as const

function dayText(day: PastDay): string {
  return [...COUNTS.map((name) => Math.floor(day[name]).toString(36)), day.verdict].join('.')
}

function readDay(text: string): PastDay | undefined {
  const parts = text.split('.')
  const verdict = parts.at(-1) as VerdictLetter
  const counts = COUNTS.map((_, index) => parseInt(parts[index] ?? '', 36))
  if (parts.length !== COUNTS.length + 1 || !Object.hasOwn(VERDICTS, verdict) || !counts.every(isAmount))
    return undefined
  const [quota, sent, delivered, bounced, deferred, complaints] = counts as [
    ...[number, number, number, number, number, number],
  ]
  return { quota, sent, delivered, bounced, deferred, complaints, verdict }
}

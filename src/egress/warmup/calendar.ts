import { Recent } from '../recent'

/** A day as a time zone counts it. */
export interface Day {
  /** `2026-11-22`. */
  readonly date: string
  /** Milliseconds since 1970: its first instant, and that of the day after. 23, 24 or 25 hours apart, or 23.5 on Lord Howe. */
  readonly startsAt: number
  readonly endsAt: number
}

const MOST_DAYS = 10
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The first instant of a day is not further from midnight in UTC: zones are from −12 to +14 hours. */
const FAR_MS = 16 * HOUR_MS

/** Days of one time zone, by its IANA name. */
export class Calendar {
  private readonly format: Intl.DateTimeFormat
  private readonly days = new Recent<Day>(MOST_DAYS)
  private last: Day | undefined

  /** Throws a RangeError when there is no such zone. */
  constructor(readonly zone: string) {
    const figures = { year: 'numeric', month: '2-digit', day: '2-digit' } as const
    this.format = new Intl.DateTimeFormat('en-US', { timeZone: zone, calendar: 'iso8601', ...figures })
  }

  /** The day of an instant. The one that was asked for last costs nothing. */
  dayAt(at: number): Day {
    if (this.last && at >= this.last.startsAt && at < this.last.endsAt) return this.last
    const date = this.dateAt(at)
    this.last = this.dayOf(date)
    return this.last
  }

  /** The days that were asked for of late cost nothing. */
  dayOf(date: string): Day {
    const make = () => ({ date, startsAt: this.firstInstant(date), endsAt: this.firstInstant(addDays(date, 1)) })
    return this.days.of(date, (known) => known ?? make())
  }

  private dateAt(at: number): string {
    const parts = new Map(this.format.formatToParts(at).map(({ type, value }) => [type, value]))
    return `${parts.get('year')}-${parts.get('month')}-${parts.get('day')}`
  }

  /** Found by halves: no rule of summer time is known here, and midnight is not in every day. */
  private firstInstant(date: string): number {
    const middle = Date.parse(`${date}T00:00:00Z`)
    let [before, after] = [middle - FAR_MS, middle + FAR_MS]
    while (after - before > 1) {
      const half = Math.floor((before + after) / 2)
      if (this.dateAt(half) >= date) after = half
      else before = half
    }
    return after
  }
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return true
  } catch {
    return false
  }
}

export function addDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10)
}

/** How many days the one is after the other. */
export function daysFrom(from: string, to: string): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS)
}

/** A day of the calendar, written as such. */
export function isDate(text: unknown): text is string {
  if (typeof text !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const at = Date.parse(`${text}T00:00:00Z`)
  return Number.isFinite(at) && new Date(at).toISOString().startsWith(text)
}

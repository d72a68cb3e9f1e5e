import { isEnforced } from '../../policy/mode'
import type { Ask, BoardChange, Clock, Store } from '../../store/store'
import { Recent } from '../recent'
import { REAL_TIMERS, type Timers } from '../timers'
import { type Day, daysFrom } from './calendar'
import { type SaidCount, budgetAsk, countAsk, rateAsk, readBack, readCounts } from './counters'
import { type Course, beginCourse, roll } from './course'
import { COURSE_PREFIX, WarmupDesk, courseKey, readEntry } from './desk'
import { Gate } from './gate'
import { type Ladder, isWarm } from './ladder'
import { type Spread, type WarmupId, type WarmupPolicy, ladderOf, modeOf } from './policy'
import { burstOf, lastCall, rateAt } from './spread'

export interface WarmupOptions {
  readonly policy: () => WarmupPolicy
  readonly store: () => Store
  /** A path may try again. Must not throw. */
  readonly wake: (path: string) => void
  /** Nothing more may go for now by a warm-up of which mail waits, or may come: there may be a better way. Must not throw. */
  readonly onHeld: (id: WarmupId) => void
  /** What a person must mend. Must not throw. */
  readonly onNotice: (message: string) => void
  /** The store could not be asked or told. Must not throw. */
  readonly onFailure: (error: unknown) => void
  readonly timers?: Timers
  /** Wall clock, which says what day it is. */
  readonly clock?: Clock
}

/** What was taken of a day's quota for an attempt. */
export interface Taken {
  readonly id: WarmupId
  readonly date: string
  readonly recipients: number
}

/** `wait`: there is nothing for now; `split`: it has more recipients than go at a time. */
export type Permission =
  | { readonly kind: 'go'; readonly taken: Taken }
  | { readonly kind: 'wait'; readonly forMs: number }
  | { readonly kind: 'split'; readonly most: number }

/** A warm-up as this process knows it. */
interface Known {
  readonly id: WarmupId
  readonly gate: Gate
  course: Course | undefined
  used: Used
  /** The course is being changed. */
  busy: boolean
  /** Until then, by the timers' clock, a tenant is not asked for: nobody tells its messages when there is something again. */
  quietUntil: number
}

/** What of a day's quota is gone, as the store last said. */
interface Used {
  readonly date: string
  readonly taken: number
  readonly back: number
  /** What was taken, and the store has lost: it began anew. */
  readonly lost: number
}

const MOST_KNOWN = 20_000
/** Whether a day is over is looked at this often; who sends then looks at once. */
const LOOK_MS = 20_000
const SOON_MS = 1000
const FAILURE_RETRY_MS = 5000
/** A quota that is used up may get something back from another host. */
const BACK_POLL_MS = 10 * 60_000
/** A clock further behind than what is remembered of a day would begin that day anew. */
const MOST_BEHIND_DAYS = 8

/**
 * The warm-ups in this process: how far each has come, a copy of what stands on the store's board, and what of its day is
 * left, which only the store knows. Each attempt takes its recipients of the day's quota there, and a slot of the spread with
 * it, both or neither.
 */
export class Warmup {
  /** That of the store, as far as it is known: by it all processes end a day at the same time. */
  private readonly clock: Clock
  private skewMs = 0
  private readonly timers: Timers
  private readonly known = new Recent<Known>(MOST_KNOWN)
  private stopLooking: (() => void) | undefined
  private readonly underWay = new Set<Promise<unknown>>()

  constructor(private readonly options: WarmupOptions) {
    const own = options.clock ?? Date.now
    this.clock = () => own() + this.skewMs
    this.timers = options.timers ?? REAL_TIMERS
  }

  /** Keeps the copy of the board up to date from now on, and ends days when they are over. */
  follow(store: Store): void {
    store.onBoard((change) => this.apply(change))
    this.look()
  }

  close(): void {
    this.stopLooking?.()
    for (const { gate } of [...this.known.all()]) gate.stop()
  }

  apply(change: BoardChange): void {
    if (change.kind === 'withdrawn') {
      const known = this.known.get(change.key)
      if (known) known.course = undefined
      known?.gate.open()
      return
    }
    const entries = change.kind === 'all' ? change.entries : [change.entry]
    // What is not there any more is looked for when it is needed.
    if (change.kind === 'all') for (const known of this.known.all()) known.course = undefined
    for (const entry of entries) {
      if (!entry.key.startsWith(COURSE_PREFIX)) continue
      const read = readEntry(entry, this.clock())
      if (read) this.learn(this.of(read.id), read.course)
    }
  }

  /** How far each source has come today that is held to its quota, as this process last heard. Tenants are too many. */
  *standings(): IterableIterator<{ source: string; group: string; quota: number; taken: number }> {
    const policy = this.options.policy()
    for (const known of this.known.all()) {
      const { id, course } = known
      const ladder = ladderOf(policy, id)
      if (!('source' in id) || !this.isOn(id) || !ladder || !course || isWarm(ladder, course.quota)) continue
      const { taken, back, lost } = usedOf(known, course.date)
      yield { ...id, quota: course.quota, taken: Math.max(0, taken + lost - back) }
    }
  }

  /** Whether mail had better go another way: there is nothing for the next `forMs`. */
  isHeld(id: WarmupId, forMs = 0): boolean {
    const known = this.known.get(courseKey(id))
    return known !== undefined && this.isOn(id) && known.gate.closedForMs > forMs
  }

  /** In how long a path may try that goes by a warm-up; 0 when at once, and for what does not warm up. */
  waitOf(id: WarmupId, path: string): number {
    const known = this.known.get(courseKey(id))
    return known && this.isOn(id) ? known.gate.waitOf(path) : 0
  }

  /** Takes what an attempt needs; undefined when it needs nothing. Never rejects. */
  take(id: WarmupId, path: string, recipients: number): Promise<Permission> | undefined {
    const policy = this.options.policy()
    const mode = modeOf(policy, id)
    const ladder = mode.kind === 'off' ? undefined : ladderOf(policy, id)
    if (!ladder) return undefined
    const known = this.of(id)
    const { course } = known
    if (!isEnforced(mode, courseKey(id)) || (course && isWarm(ladder, course.quota))) {
      this.watch(known, ladder, policy, recipients)
      return undefined
    }
    // Slots that were reserved before it was known are not asked for.
    const quietMs = Math.max(known.quietUntil - this.timers.now(), known.gate.waitOf(path))
    if (quietMs > 0) return Promise.resolve({ kind: 'wait', forMs: quietMs })
    return this.ask(known, ladder, policy, path, recipients).catch((error: unknown): Permission => {
      this.options.onFailure(error)
      return this.hold(known, path, FAILURE_RETRY_MS)
    })
  }

  /** No host has seen the attempt: it counts for nothing. */
  giveBack({ id, date, recipients }: Taken): void {
    this.tell([countAsk(id, date, 'back', recipients)])
    const known = this.of(id)
    known.quietUntil = 0
    known.gate.open()
  }

  /** What others have said of so many recipients. */
  note(id: WarmupId, said: Partial<Record<SaidCount, number>>): void {
    const { course } = this.known.get(courseKey(id)) ?? {}
    if (!course || !ladderOf(this.options.policy(), id)) return
    const counts = Object.entries(said) as [SaidCount, number][]
    this.tell(counts.map(([count, times]) => countAsk(id, course.date, count, times)))
  }

  /** Ends the days that are over. */
  async endDays(): Promise<void> {
    const policy = this.options.policy()
    const { date } = policy.calendar.dayAt(this.clock())
    for (const known of [...this.known.all()]) {
      const ladder = modeOf(policy, known.id).kind === 'off' ? undefined : ladderOf(policy, known.id)
      if (ladder && known.course && known.course.date < date) await this.advance(known, ladder, policy)
    }
  }

  /** Resolves when what was begun is done. */
  async settled(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay)
  }

  private async ask(known: Known, ladder: Ladder, policy: WarmupPolicy, path: string, recipients: number) {
    const { date } = policy.calendar.dayAt(this.clock())
    if (!known.course || known.course.date < date) await this.advance(known, ladder, policy)
    const { course } = known
    const now = this.clock()
    const today = policy.calendar.dayAt(now)
    // It is the turn of another process to begin the day, of which the board will tell.
    if (!course || course.date < today.date) return this.hold(known, path, SOON_MS)
    const spread = spreadOf(policy, known.id)
    const most = spread ? burstOf(spread, course.quota) : course.quota
    if (recipients > most) return { kind: 'split', most } as const
    if (daysFrom(today.date, course.date) > MOST_BEHIND_DAYS) {
      this.options.onNotice(sayAhead(known.id, course.date, today.date))
      return this.hold(known, path, BACK_POLL_MS)
    }
    if (now >= lastCall(today)) return this.hold(known, path, today.endsAt - now + 1)
    return this.takeOf(known, course, policy, dayOf(policy, course, today), path, recipients)
  }

  private async takeOf(
    known: Known,
    course: Course,
    policy: WarmupPolicy,
    day: Day,
    path: string,
    recipients: number,
  ): Promise<Permission> {
    const { id } = known
    const { date, quota } = course
    const used = usedOf(known, date)
    const { taken, back, lost } = used
    const asks: Ask[] = [budgetAsk(id, date, Math.max(0, quota + back - lost), recipients)]
    const gone = taken + lost - back
    const spread = spreadOf(policy, id)
    if (spread) asks.push(rateAsk(id, rateAt(spread, day, quota, gone, this.clock()), recipients))
    const { committed, answers, degraded } = await this.options.store().judge(asks)
    // A process by itself does not know what the others take.
    if (degraded) return this.hold(known, path, FAILURE_RETRY_MS)
    const [budget, slot] = answers
    if (committed) {
      const { count } = budget!
      known.used = { ...used, taken: count + recipients, lost: lost + Math.max(0, taken - count) }
      known.gate.passed(path)
      return { kind: 'go', taken: { id, date, recipients } }
    }
    // What was refused without the store being asked tells nothing of the rest.
    known.used = { ...used, taken: Math.max(taken, budget!.count) }
    if (budget!.ok) return this.hold(known, path, slot!.retryAfterMs)
    const more = await readBack(this.options.store(), id, date)
    if (more > back) {
      known.used = { ...used, back: more }
      return this.takeOf(known, course, policy, day, path, recipients)
    }
    const untilNextMs = policy.calendar.dayAt(this.clock()).endsAt - this.clock() + 1
    return this.hold(known, path, Math.min(untilNextMs, BACK_POLL_MS))
  }

  private hold(known: Known, path: string, forMs: number): Permission {
    if ('tenant' in known.id) {
      known.quietUntil = this.timers.now() + forMs
      return { kind: 'wait', forMs }
    }
    const wasOpen = known.gate.closedForMs === 0
    known.gate.close(path, forMs)
    if (wasOpen) this.options.onHeld(known.id)
    return { kind: 'wait', forMs }
  }

  /** Counts what is held to nothing: by it a source that rests is known, and what would be held in shadow. */
  private watch(known: Known, ladder: Ladder, policy: WarmupPolicy, recipients: number): void {
    const { id, course } = known
    const today = policy.calendar.dayAt(this.clock()).date
    if (!course || course.date < today) this.begin(this.advance(known, ladder, policy))
    if (!course) return
    const { date, quota } = course
    this.tell([countAsk(id, date, 'sent', recipients)], (taken) => {
      const isOver = !isWarm(ladder, quota) && taken + recipients > quota
      if (isOver) this.tell([countAsk(id, date, 'over', recipients)])
    })
  }

  /** Begins a course, or puts it on today's page. Never rejects. */
  private async advance(known: Known, ladder: Ladder, policy: WarmupPolicy): Promise<void> {
    if (known.busy) return
    known.busy = true
    try {
      const store = this.options.store()
      // A clock that has gone ahead would begin the next day on this one.
      this.skewMs = (await store.ping()).clockSkewMs
      const today = policy.calendar.dayAt(this.clock()).date
      const changed = await new WarmupDesk(store, this.clock).change(known.id, async (course) => {
        if (!course) return beginCourse(ladder, today)
        if (course.date >= today) return undefined
        return roll(course, ladder, policy, today, await readCounts(store, known.id, course.date))
      })
      if ('course' in changed && changed.course) this.learn(known, changed.course)
    } catch (error) {
      this.options.onFailure(error)
    } finally {
      known.busy = false
    }
  }

  private learn(known: Known, course: Course): void {
    const before = known.course
    known.course = course
    if (before?.date === course.date && before.quota >= course.quota) return
    known.quietUntil = 0
    known.gate.open()
  }

  private isOn(id: WarmupId): boolean {
    const policy = this.options.policy()
    return isEnforced(modeOf(policy, id), courseKey(id)) && ladderOf(policy, id) !== undefined
  }

  private of(id: WarmupId): Known {
    const { timers } = this
    return this.known.of(
      courseKey(id),
      (known) =>
        known ?? {
          id,
          gate: new Gate({ timers, wake: this.options.wake }),
          course: undefined,
          used: { date: '', taken: 0, back: 0, lost: 0 },
          busy: false,
          quietUntil: 0,
        },
    )
  }

  private look(): void {
    this.stopLooking = this.timers.after(LOOK_MS, () => {
      this.begin(this.endDays())
      this.look()
    })
  }

  private tell(asks: readonly Ask[], heard?: (first: number) => void): void {
    if (asks.length === 0) return
    this.begin(
      Promise.resolve()
        .then(() => this.options.store().judge(asks))
        .then(({ answers }) => heard?.(answers[0]!.count)),
    )
  }

  private begin(work: Promise<unknown>): void {
    const done = work.catch((error: unknown) => this.options.onFailure(error)).finally(() => this.underWay.delete(done))
    this.underWay.add(done)
  }
}

/** Messages of a tenant are put off one by one: they would be tried for nothing all day. */
function spreadOf({ spread }: WarmupPolicy, id: WarmupId): Spread | undefined {
  return 'tenant' in id ? undefined : spread
}

function usedOf({ used }: Known, date: string): Used {
  return used.date === date ? used : { date, taken: 0, back: 0, lost: 0 }
}

function sayAhead(id: WarmupId, date: string, today: string): string {
  const [name, who] =
    'tenant' in id
      ? [`tenant ${id.tenant}`, `tenant:${id.tenant}`]
      : [`${id.source}/${id.group}`, `${id.source} --group ${id.group}`]
  return (
    `warm-up: ${name} is at ${date}, and today is ${today}: a clock was wrong. Its mail waits. If it is right now: ` +
    `sluice warmup set ${who} --quota N`
  )
}

/** That of the course, where a clock has gone ahead, or this one is late: what it has left is used up evenly. */
function dayOf({ calendar }: WarmupPolicy, { date }: Course, today: Day): Day {
  return date === today.date ? today : calendar.dayOf(date)
}

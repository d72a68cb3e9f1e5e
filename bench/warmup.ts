/**
 * A source warms up for 30 days, with a clock that goes when told to: two hosts on one store, the dispatcher, the ladder and
 * the store's engine as they are, and a provider that counts what it is offered by its own calendar. There is always more
 * mail than may go. Writes docs/warmup.svg; exit code 1 when a day was ever above its quota.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { svgOf } from '../src/cli/warmup/svg'
import { table } from '../src/cli/terminal'
import { Dispatcher } from '../src/egress/dispatcher'
import type { Waiting } from '../src/egress/fair-queue'
import type { Admission } from '../src/egress/path-dispatcher'
import { Calendar, addDays } from '../src/egress/warmup/calendar'
import { VERDICTS } from '../src/egress/warmup/course'
import { WarmupDesk } from '../src/egress/warmup/desk'
import type { WarmupPolicy } from '../src/egress/warmup/policy'
import { Warmup } from '../src/egress/warmup/warmup'
import { MemoryStore } from '../src/store/memory/memory-store'
import type { Store } from '../src/store/store'
import { FakeTimers } from '../test/unit/egress/fake-timers'

const HOUR = 3_600_000
const MINUTE = 60_000
const DAYS = 30
/** Through the night in which summer time begins. */
const FIRST = '2026-03-15'
const ZONE = 'Europe/Berlin'
const FRESH = { source: 'fresh', group: 'google' } as const
const PATH = 'egress|fresh|google'
const BACKLOG = 400

const calendar = new Calendar(ZONE)
const policy: WarmupPolicy = {
  mode: { kind: 'enforce' },
  calendar,
  spread: { ahead: 0.05, catchUp: 3 },
  judgement: { used: 0.8, delivered: 0.9, bounces: 0.05, deferrals: 0.1, complaints: 0.001, least: 50 },
  rest: { below: 0.1, after: 7, over: 30 },
  sources: new Map([
    ['fresh', { ladder: { start: 50, growth: 0.3, stages: undefined, until: 50_000, cools: true }, groups: undefined }],
  ]),
  tenants: undefined,
}

const timers = new FakeTimers(calendar.dayOf(FIRST).startsAt)
const store = new MemoryStore({ clock: () => timers.now() })
/** By the provider's calendar. */
const seen = new Map<string, number>()
const byHour = new Map<string, number>()
let count = 0
let offered = 0

/** A share of mailboxes is gone; on two days the provider does not want so much of us, and on Sundays there is little mail. */
function answerTo(day: number): 'delivered' | 'bounced' | 'deferred' {
  offered++
  if ((day === 11 || day === 12) && offered % 3 === 0) return 'deferred'
  return offered % 50 === 0 ? 'bounced' : 'delivered'
}
const hasMail = (day: number, hour: number) => day % 7 !== 0 || day === 0 || hour < 4
/** The clock of the second host is behind by a minute, and two hours ahead for a day. */
const skewOf = (host: number, day: number) => (host === 0 ? 0 : day === 18 ? 2 * HOUR : -MINUTE)

/** Each host knows how far its clock is from that of the store, as Redis tells it. */
function seenBy(host: number): Store {
  const ping = async () => ({ ...(await store.ping()), clockSkewMs: -skewOf(host, dayNow()) })
  return Object.assign(Object.create(store) as Store, { ping })
}

class Host {
  readonly warmup: Warmup
  readonly dispatcher: Dispatcher<Waiting>

  constructor(readonly number: number) {
    const clock = () => timers.now() + skewOf(number, dayNow())
    const onFailure = (error: unknown) => {
      throw error
    }
    const wake = (name: string) => this.dispatcher.pump(name)
    this.warmup = new Warmup({
      ...{ policy: () => policy, store: () => seenBy(number), wake, onHeld: () => undefined },
      ...{ onNotice: () => undefined, onFailure, timers, clock },
    })
    this.warmup.follow(store)
    this.dispatcher = new Dispatcher((name) => ({
      path: name,
      limits: () => {
        const waitMs = this.warmup.waitOf(FRESH, name)
        const warmingUntil = waitMs > 0 ? clock() + waitMs : undefined
        return { connections: 10, rate: { intervalMs: 10, burst: 1 }, warmingUntil }
      },
      store: () => store,
      admit: () =>
        this.warmup.take(FRESH, name, 1)?.then((permission): Admission => (permission.kind === 'go' ? 'go' : 'wait')),
      send: ({ end }) => {
        // The time to connect, and to say it all.
        timers.after(200 + (count % 7) * 400, () => {
          this.answered()
          end()
        })
      },
      onFailure,
      ...{ timers, clock },
    }))
  }

  fill(): void {
    const waiting = this.dispatcher.loads()[0]?.waiting ?? 0
    for (let more = waiting; more < BACKLOG; more++) {
      this.dispatcher.add(PATH, { id: `m${count++}`, mailClass: 'marketing', tenant: '', dueAt: timers.now() })
    }
  }

  private answered(): void {
    const { date, startsAt } = calendar.dayAt(timers.now())
    seen.set(date, (seen.get(date) ?? 0) + 1)
    const hour = `${date} ${Math.floor((timers.now() - startsAt) / HOUR)}`
    byHour.set(hour, (byHour.get(hour) ?? 0) + 1)
    this.warmup.note(FRESH, { [answerTo(dayNow())]: 1 })
  }
}

function dayNow(): number {
  return Math.floor((timers.now() - calendar.dayOf(FIRST).startsAt + HOUR) / (24 * HOUR))
}

export async function benchWarmup(): Promise<unknown> {
  await store.open()
  const hosts = [new Host(0), new Host(1)]
  const end = calendar.dayOf(addDays(FIRST, DAYS)).startsAt + 2 * MINUTE
  while (timers.now() < end) {
    const { startsAt } = calendar.dayAt(timers.now())
    if (hasMail(dayNow(), (timers.now() - startsAt) / HOUR)) for (const host of hosts) host.fill()
    await timers.pass(2 * MINUTE)
  }
  const course = (await new WarmupDesk(store, () => timers.now()).read(FRESH))!
  const days = course.history.map((day, index) => {
    const date = addDays(course.date, index - course.history.length)
    const hours = [...byHour].filter(([hour]) => hour.startsWith(date)).map(([, sent]) => sent)
    return { ...day, date, seen: seen.get(date) ?? 0, busiest: Math.max(0, ...hours) }
  })
  const head = ['DAY', 'QUOTA', 'AT THE PROVIDER', 'BUSIEST HOUR', 'DELIVERED', 'BOUNCED', 'DEFERRED', 'THEN']
  const rows = days.map((day) => [
    ...[day.date, day.quota, day.seen, day.busiest, day.delivered, day.bounced, day.deferred].map(String),
    VERDICTS[day.verdict],
  ])
  for (const line of table([head, ...rows])) process.stdout.write(`${line}\n`)
  const above = days.filter((day) => day.seen > day.quota)
  const most = Math.max(...days.map((day) => day.seen / day.quota))
  process.stdout.write(
    `days above their quota: ${above.length} of ${days.length}; the fullest: ${(most * 100).toFixed(1)}%\n`,
  )
  const curve = days.map(({ date, quota, seen: sent }) => ({ date, quota, sent }))
  const title = 'Recipients a day at the provider (bars) and the quota (line): 30 simulated days, two hosts'
  writeFileSync(path.join(__dirname, '../docs/warmup.svg'), svgOf(title, curve))
  for (const { warmup, dispatcher } of hosts) {
    warmup.close()
    dispatcher.close()
  }
  if (above.length > 0) process.exitCode = 1
  return days
}

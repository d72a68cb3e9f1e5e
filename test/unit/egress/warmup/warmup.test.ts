import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Calendar } from '../../../../src/egress/warmup/calendar'
import { readCounts } from '../../../../src/egress/warmup/counters'
import { WarmupDesk } from '../../../../src/egress/warmup/desk'
import type { WarmupId, WarmupPolicy } from '../../../../src/egress/warmup/policy'
import { type Taken, Warmup } from '../../../../src/egress/warmup/warmup'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import type { Store } from '../../../../src/store/store'
import { FakeTimers } from '../fake-timers'
import { LADDER, policyWith } from './fixtures'

const START = Date.parse('2026-03-27T12:00:00Z')
const HOUR = 3_600_000
const DAY = 24 * HOUR
const FRESH: WarmupId = { source: 'fresh', group: 'google' }

describe('warm-up', () => {
  let timers: FakeTimers
  let store: MemoryStore
  let failures: unknown[]
  let notices: string[]
  let held: WarmupId[]
  let woken: string[]
  let policy: WarmupPolicy
  beforeEach(async () => {
    timers = new FakeTimers(START)
    store = new MemoryStore({ clock: () => timers.now() })
    await store.open()
    ;[failures, notices, held, woken, policy] = [[], [], [], [], policyWith()]
  })

  function host(clock: () => number = () => timers.now(), of: Store = store): Warmup {
    const warmup = new Warmup({
      policy: () => policy,
      store: () => of,
      wake: (path) => woken.push(path),
      onHeld: (id) => held.push(id),
      onNotice: (message) => notices.push(message),
      onFailure: (error) => failures.push(error),
      timers,
      clock,
    })
    warmup.follow(of)
    return warmup
  }
  async function take(warmup: Warmup, times = 1, recipients = 1, id = FRESH): Promise<number> {
    let went = 0
    for (let time = 0; time < times; time++) {
      if ((await warmup.take(id, 'path', recipients))?.kind === 'go') went += recipients
    }
    return went
  }
  const course = async () => (await new WarmupDesk(store, () => timers.now()).read(FRESH))!
  const well = async (warmup: Warmup, times: number) => {
    warmup.note(FRESH, { delivered: times })
    await warmup.settled()
  }

  it('lets a day of it go, over all hosts, and tells what waits when there is more', async () => {
    const [one, two] = [host(), host()]
    assert.equal((await take(one, 60)) + (await take(two, 60)), 100)
    assert.deepEqual(held, [FRESH], 'the one that found out')
    assert.ok(two.isHeld(FRESH) && !one.isHeld(FRESH))
    assert.ok(two.waitOf(FRESH, 'path') > 0)
    assert.equal(await take(one), 0)
    assert.equal((await readCounts(store, FRESH, '2026-03-27')).sent, 100)
    assert.deepEqual(failures, [])
  })

  it('says how far sources have come that are held to a quota, over all hosts, and tenants not', async () => {
    policy = policyWith({ tenants: { mode: { kind: 'enforce' }, ladder: LADDER } })
    const [one, two] = [host(), host()]
    assert.deepEqual([...one.standings()], [])
    await take(one, 10)
    await take(two, 7, 5)
    await take(one, 1, 1, { tenant: 'acme' })
    assert.deepEqual([[...one.standings()], [...two.standings()]].flat(), [
      { source: 'fresh', group: 'google', quota: 100, taken: 10 },
      { source: 'fresh', group: 'google', quota: 100, taken: 45 },
    ])
    policy = policyWith({ mode: { kind: 'shadow' } })
    assert.deepEqual([...one.standings()], [])
  })

  it('asks nothing of mail of others: of other sources, of groups that are not named, and when it is off', async () => {
    policy = policyWith({
      sources: new Map([['fresh', { ladder: policy.sources.get('fresh')!.ladder, groups: ['google'] }]]),
    })
    const warmup = host()
    assert.equal(warmup.take({ source: 'other', group: 'google' }, 'path', 1), undefined)
    assert.equal(warmup.take({ source: 'fresh', group: 'yahoo' }, 'path', 1), undefined)
    policy = policyWith({ mode: { kind: 'off' } })
    assert.equal(warmup.take(FRESH, 'path', 1), undefined)
    assert.deepEqual(await store.list('', 10), [])
  })

  it('goes up on the next day when it was used and went well, whoever ends the day', async () => {
    const [one, two] = [host(), host()]
    assert.equal(await take(one, 100), 100)
    await well(two, 100)
    await timers.pass(12 * HOUR)
    await one.settled()
    await two.settled()
    const { date, quota, history } = await course()
    assert.deepEqual([date, quota, history.length, history[0]!.delivered], ['2026-03-28', 130, 1, 100])
    assert.equal((await take(one, 100)) + (await take(two, 100)), 130)
  })

  it('is ended by the first who sends, and by several at once as by one', async () => {
    const all = Array.from({ length: 5 }, () => host())
    assert.equal(await take(all[0]!, 100), 100)
    await well(all[0]!, 100)
    timers.holdUp(12 * HOUR)
    await Promise.all(all.map((warmup) => warmup.endDays()))
    assert.deepEqual([(await course()).quota, (await course()).history.length], [130, 1])
  })

  it('gives back what no host has seen', async () => {
    const [one, two] = [host(), host()]
    await take(one, 90)
    const permission = await one.take(FRESH, 'path', 10)
    assert.equal(permission?.kind, 'go')
    assert.equal(await take(two), 0)
    one.giveBack((permission as { taken: Taken }).taken)
    await one.settled()
    await timers.pass(10 * 60_000)
    assert.equal(await take(two, 20), 10)
    assert.equal((await readCounts(store, FRESH, '2026-03-27')).sent, 100)
  })

  it('parts what has more recipients than go at a time', async () => {
    const warmup = host()
    assert.deepEqual(await warmup.take(FRESH, 'path', 101), { kind: 'split', most: 100 })
    policy = policyWith({ spread: { ahead: 0.05, catchUp: 3 } })
    assert.deepEqual(await warmup.take(FRESH, 'path', 6), { kind: 'split', most: 5 })
    assert.equal((await warmup.take(FRESH, 'path', 5))?.kind, 'go')
  })

  it('spreads a day: no heap at midnight, none after a while without mail, and all of it by the end', async () => {
    policy = policyWith({ spread: { ahead: 0.05, catchUp: 3 } })
    const warmup = host()
    await take(warmup)
    await timers.pass(12 * HOUR)
    await warmup.settled()
    const quota = (await course()).quota
    const sent: number[] = []
    const midnight = timers.now()
    for (let minute = 0; minute < 24 * 60; minute++) {
      for (let went = await take(warmup, 5); went > 0; went--) sent.push((timers.now() - midnight) / HOUR)
      await timers.pass(60_000)
    }
    assert.equal(sent.length, quota)
    const within = (from: number, to: number) => sent.filter((at) => at >= from && at < to).length
    assert.ok(within(0, 1) <= quota * 0.05 + quota / 24 + 2, `${within(0, 1)} in the first hour`)
    for (let hour = 1; hour < 22; hour++) assert.ok(within(hour, hour + 1) <= quota / 20, `hour ${hour}`)
    // Now nothing for half a day.
    await timers.pass(12 * HOUR)
    await warmup.settled()
    const now = timers.now()
    let early = 0
    for (let minute = 0; minute < 60; minute++) {
      early += await take(warmup, 50)
      await timers.pass(60_000)
    }
    assert.ok(early <= quota * (0.05 + 3 / 24) + 2, `${early} in the first hour after a pause`)
    assert.ok(now > 0)
  })

  it('lets nothing begin in the last minutes of a day, which the next day would count', async () => {
    const warmup = host()
    await take(warmup)
    await timers.pass(12 * HOUR - 5 * 60_000)
    assert.equal(await take(warmup, 3), 0)
    await timers.pass(5 * 60_000 + 2000)
    assert.ok(woken.length > 0)
    assert.equal((await course()).date, '2026-03-28')
    assert.equal(await take(warmup), 1)
  })

  it('counts and holds nothing in shadow, and says what would have waited', async () => {
    policy = policyWith({ mode: { kind: 'shadow' } })
    const warmup = host()
    assert.equal(warmup.take(FRESH, 'path', 1), undefined)
    await warmup.settled()
    for (let time = 0; time < 130; time++) assert.equal(warmup.take(FRESH, 'path', 1), undefined)
    await warmup.settled()
    assert.deepEqual((({ sent, over }) => ({ sent, over }))(await readCounts(store, FRESH, '2026-03-27')), {
      sent: 130,
      over: 30,
    })
    assert.equal(warmup.isHeld(FRESH), false)
  })

  describe('of tenants', () => {
    const ACME: WarmupId = { tenant: 'acme' }
    const tenants = (mode: 'shadow' | 'enforce') =>
      policyWith({
        tenants: { mode: { kind: mode }, ladder: { ...LADDER, start: 20, cools: false } },
        spread: { ahead: 0.05, catchUp: 3 },
      })

    it('lets a day of it go at once, says when there is more, and asks the store no more until then', async () => {
      policy = tenants('enforce')
      const warmup = host()
      assert.equal(await take(warmup, 30, 1, ACME), 20)
      const trips = store.judge.bind(store)
      store.judge = () => assert.fail('it knows')
      const permission = await warmup.take(ACME, 'path', 1)
      assert.ok(permission?.kind === 'wait' && permission.forMs > 0 && permission.forMs <= 10 * 60_000)
      assert.deepEqual([held, warmup.take({ source: 'plain', group: 'google' }, 'path', 1)], [[], undefined])
      store.judge = trips
    })

    it('lets those that are here already climb in shadow by what they send, and does not cool them', async () => {
      policy = tenants('shadow')
      const warmup = host()
      for (let day = 0; day < 3; day++) {
        for (let time = 0; time < 500; time++) assert.equal(await warmup.take(ACME, 'path', 1), undefined)
        await warmup.settled()
        warmup.note(ACME, { delivered: 500 })
        await warmup.settled()
        await timers.pass(24 * HOUR)
      }
      const climbed = (await new WarmupDesk(store, () => timers.now()).read(ACME))!
      assert.equal(climbed.quota, 42)
      timers.holdUp(60 * 24 * HOUR)
      await warmup.endDays()
      assert.equal((await new WarmupDesk(store, () => timers.now()).read(ACME))!.quota, 42)
    })
  })

  it('holds mail while the store does not answer, or answers for this process alone', async () => {
    const failing = Object.assign(Object.create(store) as Store, { judge: () => Promise.reject(new Error('gone')) })
    const warmup = host(() => timers.now(), failing)
    assert.equal(await take(warmup), 0)
    assert.equal(failures.length, 1)
    const alone = Object.assign(Object.create(store) as Store, {
      judge: (asks: Parameters<Store['judge']>[0]) => ({ ...store.judge(asks), degraded: true }),
    })
    await take(host())
    assert.equal(await take(host(() => timers.now(), alone)), 0)
  })

  it('has mail wait that a clock far ahead was the end of the calendar for, and says how to mend it', async () => {
    let aheadMs = 30 * DAY
    const one = host(() => timers.now() + aheadMs)
    assert.equal(await take(one, 10), 10)
    aheadMs = 0
    assert.equal(await take(one), 0)
    assert.equal(notices.length, 1)
    assert.match(
      notices[0]!,
      /fresh\/google is at 2026-04-26, and today is 2026-03-27: a clock was wrong.* sluice warmup set fresh --group google --quota N$/,
    )
    await timers.pass(3000)
    // What that command does.
    await new WarmupDesk(store, () => timers.now()).change(FRESH, (course) => ({ ...course!, date: '2026-03-27' }))
    assert.equal(await take(one, 200), 100)
  })

  it('ends a day by the clock of the store, so that one that has gone ahead does not begin the next on it', async () => {
    const skewed = Object.assign(Object.create(store) as Store, {
      ping: async () => ({ ...(await store.ping()), clockSkewMs: -13 * HOUR }),
    })
    const [right, ahead] = [host(), host(() => timers.now() + 13 * HOUR, skewed)]
    assert.equal(await take(right, 60), 60)
    assert.equal(await take(ahead, 60), 40)
    assert.equal((await course()).date, '2026-03-27')
  })

  it('takes no more than is left when the store has lost what was taken', async () => {
    const warmup = host()
    assert.equal(await take(warmup, 70), 70)
    await store.reset((await store.list('', 100)).map(({ key }) => key))
    assert.ok((await take(warmup, 100)) <= 31)
  })

  it('sends never more than the quota of a day, however many hosts there are and however their clocks jump', async () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe']
    const steps = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('take'), host: fc.nat(2), times: fc.integer({ min: 1, max: 60 }) }),
        fc.record({ kind: fc.constant('pass'), ms: fc.integer({ min: 1, max: 9 * HOUR }) }),
        fc.record({ kind: fc.constant('jump'), host: fc.nat(2), ms: fc.integer({ min: -3 * DAY, max: 3 * DAY }) }),
        fc.record({ kind: fc.constant('well'), host: fc.nat(2), times: fc.integer({ min: 50, max: 200 }) }),
      ),
      { minLength: 20, maxLength: 60 },
    )
    const run = fc.asyncProperty(fc.constantFrom(...zones), fc.boolean(), steps, async (zone, isSpread, all) => {
      timers = new FakeTimers(START)
      store = new MemoryStore({ clock: () => timers.now() })
      await store.open()
      policy = policyWith({ calendar: new Calendar(zone), spread: isSpread ? { ahead: 0.05, catchUp: 3 } : undefined })
      const skews = [0, 0, 0]
      const hosts = skews.map((_, index) => host(() => timers.now() + skews[index]!))
      const sent = new Map<string, number>()
      const quotas = new Map<string, number>()
      for (const step of all as { kind: string; host: number; times: number; ms: number }[]) {
        if (step.kind === 'pass') {
          timers.holdUp(step.ms)
          await timers.pass(25_000)
        } else if (step.kind === 'jump') skews[step.host] = step.ms
        else if (step.kind === 'well') hosts[step.host]!.note(FRESH, { delivered: step.times })
        else {
          const asked = Array.from({ length: step.times }, () => hosts[step.host]!.take(FRESH, 'path', 1)!)
          for (const permission of await Promise.all(asked)) {
            if (permission.kind !== 'go') continue
            const { date } = permission.taken
            sent.set(date, (sent.get(date) ?? 0) + 1)
          }
        }
        const known = await new WarmupDesk(store, () => timers.now()).read(FRESH)
        if (known) quotas.set(known.date, Math.max(known.quota, quotas.get(known.date) ?? 0))
      }
      for (const [date, count] of sent)
        assert.ok(count <= quotas.get(date)!, `${count} of ${quotas.get(date)} on ${date}`)
      assert.deepEqual(failures, [])
    })
    await fc.assert(run, { numRuns: 60 })
  })
})

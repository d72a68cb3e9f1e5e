import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Calendar, addDays, daysFrom, isDate, isTimeZone } from '../../../../src/egress/warmup/calendar'

const HOUR = 3_600_000

describe('calendar', () => {
  for (const [zone, date, hours, starts] of [
    ['UTC', '2026-11-22', 24, '2026-11-22T00:00:00.000Z'],
    ['Europe/Berlin', '2026-03-29', 23, '2026-03-28T23:00:00.000Z'],
    ['Europe/Berlin', '2026-10-25', 25, '2026-10-24T22:00:00.000Z'],
    ['America/New_York', '2026-03-08', 23, '2026-03-08T05:00:00.000Z'],
    ['America/New_York', '2026-11-01', 25, '2026-11-01T04:00:00.000Z'],
    ['Australia/Lord_Howe', '2026-04-05', 24.5, '2026-04-04T13:00:00.000Z'],
    ['Australia/Lord_Howe', '2026-10-04', 23.5, '2026-10-03T13:30:00.000Z'],
    // There is no midnight on this day: it begins at one.
    ['Africa/Cairo', '2026-04-24', 23, '2026-04-23T22:00:00.000Z'],
    ['Pacific/Kiritimati', '2026-01-01', 24, '2025-12-31T10:00:00.000Z'],
    ['Pacific/Pago_Pago', '2026-01-01', 24, '2026-01-01T11:00:00.000Z'],
  ] as const) {
    it(`knows that ${date} has ${hours} hours in ${zone}`, () => {
      const day = new Calendar(zone).dayOf(date)
      assert.deepEqual([new Date(day.startsAt).toISOString(), (day.endsAt - day.startsAt) / HOUR], [starts, hours])
    })
  }

  it('has each instant in one day, and days that follow one another, in every zone', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/Santiago', 'Asia/Beirut']
    const calendars = zones.map((zone) => new Calendar(zone))
    const instants = fc.integer({ min: Date.parse('2020-01-01'), max: Date.parse('2032-01-01') })
    fc.assert(
      fc.property(fc.constantFrom(...calendars), instants, (calendar, at) => {
        const day = calendar.dayAt(at)
        assert.ok(day.startsAt <= at && at < day.endsAt, `${at} in ${day.date}`)
        const following = calendar.dayAt(day.endsAt)
        assert.deepEqual([following.date, following.startsAt], [addDays(day.date, 1), day.endsAt])
        assert.equal(calendar.dayAt(day.startsAt - 1).date, addDays(day.date, -1))
      }),
      { numRuns: 60 },
    )
  })

  it('counts days, and knows what is none', () => {
    assert.equal(addDays('2026-02-28', 1), '2026-03-01')
    assert.equal(daysFrom('2026-10-24', '2026-10-26'), 2)
    assert.equal(daysFrom('2026-10-26', '2026-10-24'), -2)
    assert.deepEqual(['2026-02-30', '2026-1-1', 20260101, '2026-12-31'].map(isDate), [false, false, false, true])
    assert.deepEqual(['Europe/Berlin', 'UTC', 'Europe/Atlantis', ''].map(isTimeZone), [true, true, false, false])
  })
})

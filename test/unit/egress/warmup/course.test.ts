import assert from 'node:assert/strict'
import fc from 'fast-check'
import { addDays } from '../../../../src/egress/warmup/calendar'
import { type Course, MOST_DAYS, beginCourse, courseText, readCourse, roll } from '../../../../src/egress/warmup/course'
import { NO_FIGURES } from '../../../../src/egress/warmup/judge'
import { readObject } from '../../../../src/egress/untrusted'
import { MAX_BOARD_TEXT } from '../../../../src/store/store'
import { LADDER, allWell, policyWith } from './fixtures'

const policy = policyWith()
const BEGAN = '2026-03-01'
const WHOSE = { source: 'fresh', group: 'google' }
const letters = ({ history }: Course) => history.map(({ verdict }) => verdict).join('')

describe('the course of a warm-up', () => {
  const begun = beginCourse(LADDER, BEGAN)
  const after = (days: number, from = begun, figures = (course: Course) => allWell(course.quota)) => {
    let course = from
    for (let day = 0; day < days; day++) course = roll(course, LADDER, policy, addDays(course.date, 1), figures(course))
    return course
  }

  it('rises day by day while all goes well, and ends when it is warm', () => {
    assert.deepEqual(
      [begun, after(1), after(2), after(3)].map(({ date, quota }) => `${date} ${quota}`),
      ['2026-03-01 100', '2026-03-02 130', '2026-03-03 169', '2026-03-04 219'],
    )
    assert.deepEqual([after(40).quota, letters(after(40)).slice(-2)], [10_000, 'hh'])
  })

  it('holds, and steps back, by the figures of the day', () => {
    const risen = after(5)
    const held = after(1, risen, () => ({ ...NO_FIGURES, sent: 50, delivered: 50 }))
    assert.deepEqual([held.quota, held.why], [risen.quota, 'used 13.6% of it'])
    const back = after(1, risen, () => ({ sent: 371, delivered: 200, bounced: 171, deferred: 0, complaints: 0 }))
    assert.deepEqual([back.quota, letters(back).slice(-1)], [284, 'd'])
  })

  it('stays where it is within a day, and where a clock has gone ahead', () => {
    assert.equal(roll(begun, LADDER, policy, BEGAN, allWell(100)), begun)
    assert.equal(roll(begun, LADDER, policy, '2026-02-20', allWell(100)), begun)
  })

  it('takes days that nobody looked at as days without mail: the first still counts', () => {
    const course = roll(begun, LADDER, policy, '2026-03-05', allWell(100))
    assert.deepEqual([course.date, course.quota, letters(course), course.rested], ['2026-03-05', 130, 'uhhh', 3])
  })

  it('cools a step a day after a week of rest, and begins anew after a month', () => {
    const risen = after(10)
    assert.equal(risen.quota, 1365)
    const rests = (days: number) => roll(risen, LADDER, policy, addDays(risen.date, days), NO_FIGURES)
    assert.deepEqual([rests(7).quota, rests(8).quota, rests(9).quota], [1365, 1050, 808])
    assert.deepEqual([rests(29).quota, rests(30).quota], [100, 100])
    assert.equal(letters(rests(30)).slice(10), 'hhhhhhh' + 'c'.repeat(22) + 'a')
    const again = roll(rests(9), LADDER, policy, addDays(rests(9).date, 1), allWell(808))
    assert.deepEqual([again.quota, again.rested], [1050, 0], 'who sends again warms again')
  })

  it('cools a source that was warm, and so far only as it is used', () => {
    const warm = after(40)
    const little = (course: Course) => allWell(Math.min(500, course.quota))
    const quiet = after(60, warm, little)
    assert.ok(quiet.quota >= 500 * 1 && quiet.quota <= 5000 * 1.3, `${quiet.quota}`)
    assert.ok(quiet.quota < warm.quota)
  })

  it('stays as it is while it is paused, however long', () => {
    const paused = { ...after(5), paused: true }
    const later = roll(paused, LADDER, policy, addDays(paused.date, 50), NO_FIGURES)
    assert.deepEqual([later.quota, later.rested, letters(later).slice(-3)], [paused.quota, 0, 'ppp'])
  })

  it('is on the day that it is, also after years', () => {
    const course = roll(begun, LADDER, policy, '2029-01-01', allWell(100))
    assert.deepEqual([course.date, course.quota, course.history.length], ['2029-01-01', 100, MOST_DAYS])
  })

  it('fits the board and is read back, whatever its figures are', () => {
    const amount = fc.integer({ min: 0, max: 100_000_000 })
    const day = fc
      .tuple(amount, amount, amount, fc.constantFrom('u', 'h', 'd', 'c', 'a', 'p'))
      .map(([quota, sent, delivered, verdict]) => ({
        ...{ quota, sent, delivered, bounced: sent, deferred: quota, complaints: delivered, verdict },
      }))
    fc.assert(
      fc.property(fc.array(day, { maxLength: MOST_DAYS }), fc.string({ maxLength: 160 }), (history, why) => {
        const course = { ...begun, why, history } as Course
        const text = courseText(WHOSE, course, MAX_BOARD_TEXT)
        const read = readCourse(readObject(text))!
        assert.ok(text.length <= MAX_BOARD_TEXT)
        assert.deepEqual({ ...read, history: [] }, { ...course, history: [] })
        assert.deepEqual(read.history, history.slice(history.length - read.history.length))
      }),
    )
  })

  it('is not read from what is none', () => {
    const good = readObject(courseText(WHOSE, after(3), MAX_BOARD_TEXT))
    assert.ok(readCourse(good))
    for (const wrong of [
      ...[{ date: '2026-13-01' }, { quota: 0 }, { quota: '5' }, { paused: 1 }, { rested: -1 }, { why: 3 }],
      ...[{ history: '1.2.3' }, { history: '1.1.1.1.1.1.x' }, { history: '1.1.?.1.1.1.u' }, { history: undefined }],
    ]) {
      assert.equal(readCourse({ ...good, ...wrong }), undefined, JSON.stringify(wrong))
    }
  })
})

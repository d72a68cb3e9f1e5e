import assert from 'node:assert/strict'
import { type DayFigures, judgeDay } from '../../../../src/egress/warmup/judge'
import { allWell, policyWith } from './fixtures'

const { judgement } = policyWith()

describe('the judge of a day', () => {
  const cases: readonly (readonly [what: string, verdict: string, figures: Partial<DayFigures>, why?: RegExp])[] = [
    ['one that was used and went well', 'up', {}, /^100% delivered, used 100% of it$/],
    ['one of which four fifths were sent', 'up', { sent: 160, delivered: 160 }],
    ['one of which less was sent', 'hold', { sent: 159, delivered: 159 }, /^used 79.5% of it$/],
    ['one of which no answers are known', 'hold', { delivered: 0 }, /no answers/],
    ['one with some bounces', 'up', { delivered: 191, bounced: 9 }],
    ['one with too many bounces', 'hold', { delivered: 190, bounced: 10 }, /^bounced 5% \(less than 5%\)$/],
    ['one with twice too many', 'down', { delivered: 180, bounced: 20 }, /bounced 10% \(less than 5%\)/],
    ['one that was put off', 'hold', { delivered: 180, deferred: 20 }, /not delivered 10%.*deferred 10%/],
    ['one that was put off much', 'down', { delivered: 160, deferred: 40 }, /deferred 20%/],
    ['one with a complaint', 'down', { complaints: 1 }, /complaints 0.5% \(less than 0.1%\)/],
    ['one that failed with few answers', 'hold', { sent: 160, delivered: 20, bounced: 29 }],
    ['one with complaints and nothing else', 'hold', { sent: 0, delivered: 0, complaints: 3 }, /complaints 100%/],
  ]
  for (const [what, verdict, figures, why] of cases) {
    it(`says ${verdict} to ${what}`, () => {
      const judged = judgeDay(judgement, 200, { ...allWell(200), ...figures })
      assert.equal(judged.verdict, verdict, judged.why)
      if (why) assert.match(judged.why, why)
    })
  }
})

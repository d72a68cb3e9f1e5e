import assert from 'node:assert/strict'
import { FeedbackCounters, counterKey, countedOf, readCounterKey } from '../../../src/feedback/counters'
import type { Feedback } from '../../../src/feedback/feedback'
import { type Ask, MAX_ASKS } from '../../../src/store/store'
import { ORIGIN } from './reports/samples'

const ANSWER = {
  responseClass: 'invalid',
  scope: 'recipient',
  rule: undefined,
  code: 550,
  enhanced: '5.1.1',
  text: 'x',
} as const

function said(kind: Feedback['kind'], more: Partial<Feedback> = {}): Feedback {
  return {
    ...{ kind, at: 0, via: 'report', origin: ORIGIN, recipient: 'bob@example.net' },
    ...{ path: undefined, source: undefined, provider: undefined, answer: undefined, ...more },
  }
}

describe('counters of what is said of our mail', () => {
  it('tell hard bounces from soft ones', () => {
    assert.equal(countedOf(said('bounced', { answer: { ...ANSWER, isHard: true } })), 'hard')
    assert.equal(countedOf(said('bounced', { answer: { ...ANSWER, isHard: false } })), 'soft')
    assert.equal(countedOf(said('complaint')), 'complaint')
  })

  it('are by tenant, account, provider and campaign, summed until they are written', () => {
    const learned: Ask[] = []
    const counters = new FeedbackCounters((asks) => void learned.push(...asks))
    counters.note([said('complaint'), said('complaint', { provider: 'google' })])
    counters.note([
      said('unsubscribe', { origin: { ...ORIGIN, tenant: undefined, account: undefined, campaign: undefined } }),
    ])
    assert.equal(learned.length, 0)
    counters.flush()
    const costs = learned.map((ask) => [ask.key, ask.op === 'window' && ask.cost])
    assert.deepEqual(Object.fromEntries(costs), {
      'feedback_provider|complaint|other': 1,
      'feedback_provider|complaint|google': 1,
      'feedback_tenant|complaint|acme': 2,
      'feedback_account|complaint|shop@example.com': 2,
      'feedback_campaign|complaint|acme|july': 2,
      'feedback_provider|unsubscribe|other': 1,
    })
    assert.ok(learned.every((ask) => !ask.enforced))
    counters.flush()
    assert.equal(learned.length, 6, 'once')
  })

  it('are written in batches that a store takes', () => {
    const batches: number[] = []
    const counters = new FeedbackCounters((asks) => void batches.push(asks.length))
    counters.note(
      Array.from({ length: 100 }, (_, n) => said('complaint', { origin: { ...ORIGIN, campaign: `c${n}` } })),
    )
    counters.flush()
    assert.deepEqual([Math.max(...batches) <= MAX_ASKS, batches.reduce((a, b) => a + b)], [true, 103])
  })

  it('can be told by their keys, whatever a campaign is called', () => {
    for (const campaign of ['july', 'a|b', 'Grüße & more', '%7C']) {
      const key = counterKey('campaign', 'hard', ['acme', campaign])
      assert.deepEqual(readCounterKey(key), { by: 'campaign', counted: 'hard', names: ['acme', campaign] })
    }
    for (const key of ['sender|a@b', 'feedback_tenant|other|x', 'feedback_moon|hard|x', '']) {
      assert.equal(readCounterKey(key), undefined, key)
    }
  })
})

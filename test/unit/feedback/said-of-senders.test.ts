import assert from 'node:assert/strict'
import type { Feedback, FeedbackKind } from '../../../src/feedback/feedback'
import type { ResponseClass } from '../../../src/feedback/response-class'
import { saidOfSenders } from '../../../src/feedback/said-of-senders'

describe('what is said of senders', () => {
  const said = (kind: FeedbackKind, more: Partial<Feedback> = {}, responseClass?: ResponseClass): Feedback => ({
    kind,
    at: 0,
    via: 'session',
    origin: {
      tenant: undefined,
      account: undefined,
      campaign: undefined,
      client: undefined,
      sender: '',
      message: 'M.1',
    },
    recipient: 'bob@far.test',
    path: undefined,
    source: 'fresh',
    provider: 'google',
    answer:
      responseClass === undefined
        ? undefined
        : { responseClass, scope: 'path', isHard: false, rule: undefined, code: 451, enhanced: undefined, text: '' },
    ...more,
  })

  it('counts for a source with a provider, and for a tenant', () => {
    const origin = { ...said('delivered').origin, tenant: 'acme' }
    assert.deepEqual(
      saidOfSenders([
        ...[said('delivered', { origin }), said('delivered', { origin }), said('bounced', {}, 'invalid')],
        ...[said('delivered', { provider: undefined }), said('complaint', { origin, source: undefined })],
      ]),
      [
        { id: { source: 'fresh', group: 'google' }, counts: { delivered: 2, bounced: 1 } },
        { id: { tenant: 'acme' }, counts: { delivered: 2, complaints: 1 } },
        { id: { source: 'fresh', group: 'other' }, counts: { delivered: 1 } },
      ],
    )
  })

  it('leaves out what says nothing of how much is sent', () => {
    for (const one of ['greylist', 'mailbox_full', 'recipient_rate', 'session_cap', 'dns'] as const) {
      assert.deepEqual(saidOfSenders([said('deferred', {}, one)]), [], one)
    }
    assert.deepEqual(saidOfSenders([said('unsubscribe'), said('delivered', { source: undefined })]), [])
    const [deferred] = saidOfSenders([said('deferred', {}, 'rate'), said('deferred')])
    assert.deepEqual(deferred?.counts, { deferred: 2 })
  })
})

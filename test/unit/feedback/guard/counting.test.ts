import assert from 'node:assert/strict'
import { Counting, noCounts } from '../../../../src/feedback/guard/counting'
import { RESPONSE_CLASSES, type ResponseClass } from '../../../../src/feedback/response-class'
import { BUSY, FULL, answerOf, said } from './guard-scene'

describe('what is counted of a word about a recipient', () => {
  let counting: Counting
  beforeEach(() => (counting = new Counting()))

  const one = { recipient: 'bob@far.test' }

  it('is a recipient once, however often he is put off, and his end', () => {
    const words = [said('deferred', FULL, one), said('deferred', FULL, one), said('delivered', undefined, one)]
    assert.deepEqual(
      words.map((word) => counting.countsOf(word)),
      [{ ...noCounts(), begun: 1, soft: 1 }, undefined, { ...noCounts(), ended: 1, delivered: 1 }],
    )
  })

  it('tells recipients of a message, and messages to a recipient, apart', () => {
    const words = [
      said('deferred', FULL, one),
      said('deferred', FULL),
      said('deferred', FULL, { ...one, message: 'B.1' }),
    ]
    for (const word of words) assert.deepEqual(counting.countsOf(word), { ...noCounts(), begun: 1, soft: 1 })
  })

  it('is a hard bounce at the end of who was put off before, and soft no second time', () => {
    counting.countsOf(said('deferred', FULL, one))
    assert.deepEqual(counting.countsOf(said('bounced', answerOf(), one)), { ...noCounts(), ended: 1, hard: 1 })
    counting.countsOf(said('deferred', FULL, one))
    assert.deepEqual(counting.countsOf(said('bounced', FULL, one)), { ...noCounts(), ended: 1 })
  })

  it('is a soft bounce when a message is refused for what it is, or nobody was there to the end', () => {
    const refused = { ...noCounts(), begun: 1, soft: 1, ended: 1 }
    assert.deepEqual(counting.countsOf(said('bounced', answerOf({ responseClass: 'content', isHard: false }))), refused)
    assert.deepEqual(counting.countsOf(said('bounced')), refused)
  })

  it('is nothing against the sender when a known provider was out of reach to the end', () => {
    const words = [said('bounced'), { ...said('bounced'), provider: 'google' }]
    assert.deepEqual(
      words.map((word) => counting.countsOf(word)?.soft),
      [1, 0],
    )
  })

  it('is nothing against the sender when a server is busy, greylists or has enough', () => {
    const faults: ResponseClass[] = []
    for (const responseClass of Object.keys(RESPONSE_CLASSES) as ResponseClass[]) {
      if (counting.countsOf(said('deferred', { ...BUSY, responseClass, scope: 'path' }))) faults.push(responseClass)
    }
    assert.deepEqual(faults, [
      ...['mailbox_full', 'invalid', 'disabled', 'content', 'authentication', 'policy', 'protocol', 'unknown'],
    ])
    assert.deepEqual(counting.countsOf(said('bounced', BUSY)), { ...noCounts(), begun: 1, ended: 1 })
  })

  it('is against the sender when his own domain is known for ill, not when our address is', () => {
    const reputation = { ...BUSY, responseClass: 'reputation' } as const
    assert.equal(counting.countsOf(said('deferred', { ...reputation, scope: 'source' })), undefined)
    assert.equal(counting.countsOf(said('deferred', { ...reputation, scope: 'dkim_domain' }))?.soft, 1)
  })

  it('is a complaint; and nothing of who takes himself off a list', () => {
    assert.deepEqual(counting.countsOf(said('complaint')), { ...noCounts(), complaints: 1 })
    assert.equal(counting.countsOf(said('unsubscribe')), undefined)
  })
})

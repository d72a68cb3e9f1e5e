import assert from 'node:assert/strict'
import type { NewSuppression } from '../../../src/feedback/suppression'
import { Suppressing } from '../../../src/feedback/suppressing'
import { AT, said } from './said'

const DAY = 86_400_000

describe('whom the world tells us not to write to', () => {
  let batches: (readonly NewSuppression[])[]
  let failures: unknown[]
  let isIll: boolean
  let isOff: boolean
  let suppressing: Suppressing

  beforeEach(() => {
    ;[batches, failures, isIll, isOff] = [[], [], false, false]
    suppressing = new Suppressing({
      list: {
        learn: async (entries) => {
          await Promise.resolve()
          if (isIll) throw new Error('disk full')
          batches.push(entries)
          return { added: entries.length, problems: [] }
        },
      },
      isOff: () => isOff,
      onFailure: (error) => failures.push(error),
      clock: () => AT,
    })
  })

  it('is spared by the tenant whose mail he complained of, or unsubscribed from', async () => {
    suppressing.read([
      said('complaint', undefined, { via: 'report' }),
      said('unsubscribe', undefined, { via: 'link', recipient: 'eve@far.test' }),
      said('delivered'),
      said('bounced', { isHard: true }),
    ])
    await suppressing.settled()
    assert.deepEqual(batches, [
      [
        { address: 'bob@far.test', tenant: 'acme', reason: 'complaint', detail: undefined, by: 'report' },
        { address: 'eve@far.test', tenant: 'acme', reason: 'unsubscribe', detail: undefined, by: 'link' },
      ],
    ])
  })

  it('is nobody for all where a rule says that there is nobody, for as long as it says, with the answer', async () => {
    suppressing.bounced(said('bounced', { code: 550, enhanced: '5.1.1', text: 'User unknown' }), 90 * DAY)
    await suppressing.settled()
    assert.deepEqual(batches, [
      [
        {
          ...{ address: 'bob@far.test', reason: 'hard_bounce', detail: '550 5.1.1 User unknown' },
          ...{ until: AT + 90 * DAY, by: 'session' },
        },
      ],
    ])
  })

  it('is nobody for what a stranger wrote, who may have guessed the address', async () => {
    suppressing.bounced(said('bounced', { isHard: true }, { origin: { account: undefined, client: undefined } }), DAY)
    await suppressing.settled()
    assert.deepEqual(batches, [])
  })

  it('is nobody while the list is switched off, whoever says so', async () => {
    isOff = true
    suppressing.read([said('complaint', undefined, { via: 'report' })])
    suppressing.bounced(said('bounced', { isHard: true }), DAY)
    await suppressing.settled()
    assert.deepEqual(batches, [])
  })

  it('is written in batches, however many', async () => {
    for (let count = 0; count < 1200; count++) suppressing.bounced(said('bounced', {}), DAY)
    await suppressing.settled()
    assert.deepEqual(
      batches.map(({ length }) => length),
      [500, 500, 200],
    )
  })

  it('is bounded, and says what was left out', async () => {
    for (let count = 0; count < 20_005; count++) suppressing.bounced(said('bounced', {}), DAY)
    await suppressing.settled()
    assert.equal(batches.flat().length, 20_000)
    assert.deepEqual(failures.map(String), ['Error: 5 addresses were not suppressed: too many at a time'])
  })

  it('is told when it cannot be written, and goes on with the next', async () => {
    isIll = true
    suppressing.bounced(said('bounced', {}), DAY)
    await suppressing.settled()
    assert.deepEqual(failures.map(String), ['Error: disk full'])
    isIll = false
    suppressing.bounced(said('bounced', {}), DAY)
    await suppressing.settled()
    assert.equal(batches.length, 1)
  })
})

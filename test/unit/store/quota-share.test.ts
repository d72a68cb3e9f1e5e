import assert from 'node:assert/strict'
import { shareOf } from '../../../src/store/quota-share'
import type { Ask, WindowAsk } from '../../../src/store/store'

const windowAsk = (limit: number, cost = 1): WindowAsk => ({
  op: 'window',
  key: 'k',
  enforced: true,
  cost,
  windows: [{ limit, windowMs: 60_000 }],
})
const limitOf = (ask: Ask | undefined) => (ask?.op === 'window' ? ask.windows[0]!.limit : undefined)

describe('shareOf', () => {
  it('leaves a lone process the whole quota', () => {
    const asks = [windowAsk(10)]
    assert.equal(shareOf(asks, 1), asks)
  })

  const cases: [limit: number, nodes: number, cost: number, share: number][] = [
    [10, 3, 1, 3],
    [10, 20, 1, 1],
    [0, 3, 1, 0],
    [10, 5, 7, 7],
    [10, 5, 11, 10],
  ]
  for (const [limit, nodes, cost, share] of cases) {
    it(`gives one of ${nodes} processes ${share} of ${limit} for a cost of ${cost}`, () => {
      assert.equal(limitOf(shareOf([windowAsk(limit, cost)], nodes)[0]), share)
    })
  }

  it('divides burst and rate of a bucket', () => {
    const ask: Ask = { op: 'rate', key: 'k', enforced: true, cost: 1, burst: 50, intervalMs: 100 }
    assert.deepEqual(shareOf([ask], 4)[0], { ...ask, burst: 12, intervalMs: 400 })
    const ahead = { ...ask, aheadMs: 5000 }
    assert.deepEqual(shareOf([ahead], 4)[0], { ...ahead, burst: 12, intervalMs: 400 })
  })

  it('lets nothing that wants memory hold up a batch, even of a lone process', () => {
    const merit: Ask = {
      ...{ op: 'merit', key: 'm', enforced: false, leastSamples: 1, leastMean: 0, halfLifeMs: 0, most: 9 },
      ...{ apartMs: 0, keepMs: 9000, sample: 1 },
    }
    const excusable = { ...windowAsk(10), unless: [0] }
    const distinct: Ask = { op: 'distinct', key: 'd', enforced: true, value: 1, limit: 20, windowMs: 1000 }
    const triplet: Ask = { op: 'triplet', key: 't', enforced: true, delayMs: 1, retryMs: 2, passMs: 3 }
    const open = [distinct, triplet].map((ask) => ({ ...ask, enforced: false }))
    for (const nodes of [1, 5]) {
      const window = { ...excusable, enforced: false, windows: [{ limit: 10 / nodes, windowMs: 60_000 }] }
      assert.deepEqual(shareOf([merit, excusable, distinct, triplet], nodes), [merit, window, ...open])
    }
    assert.equal(shareOf([merit, windowAsk(10)], 1)[1]!.enforced, true)
  })

  it('divides leases', () => {
    const ask: Ask = { op: 'lease', key: 'k', enforced: true, limit: 10, id: 'abcdefghijkl', ttlMs: 1000 }
    assert.deepEqual(shareOf([ask], 4)[0], { ...ask, limit: 2 })
  })
})

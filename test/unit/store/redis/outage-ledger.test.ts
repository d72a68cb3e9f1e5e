import assert from 'node:assert/strict'
import { OutageLedger } from '../../../../src/store/redis/outage-ledger'
import type { Ask, Verdict, WindowAsk } from '../../../../src/store/store'

const windowAsk = (key: string, cost = 1, limit = 5): Ask => ({
  op: 'window',
  key,
  enforced: false,
  cost,
  windows: [
    { limit, windowMs: 60_000 },
    { limit: 1000, windowMs: 3_600_000 },
  ],
})
const rateAsk = (cost: number): Ask => ({ op: 'rate', key: 'r', enforced: true, cost, intervalMs: 1000, burst: 10 })

function verdictOf(asks: readonly Ask[], committed = true, ok = true): Verdict {
  const answer = { ok, count: 0, limit: 1, windowMs: 1, retryAfterMs: 0 }
  return { committed, answers: asks.map(() => answer), degraded: true }
}

describe('OutageLedger', () => {
  const start = 1_700_000_000_000
  let ledger: OutageLedger

  beforeEach(() => (ledger = new OutageLedger()))

  function admit(now: number, ...asks: Ask[]): void {
    ledger.noteAdmitted(asks, verdictOf(asks), now)
  }

  it('charges units at the time they were admitted, grouped by slices of the longest window', () => {
    admit(start, windowAsk('k', 2))
    admit(start + 1000, windowAsk('k'))
    admit(start + 120_000, windowAsk('k', 4))
    assert.deepEqual(ledger.takeCharges(9, start + 121_000), [
      {
        op: 'window',
        key: 'k',
        windows: (windowAsk('k') as WindowAsk).windows,
        entries: [
          { agoMs: 120_000, units: 3 },
          { agoMs: 1000, units: 4 },
        ],
      },
    ])
    assert.equal(ledger.isEmpty, true)
  })

  it('charges nothing that is no quota, nor what a merit might have excused', () => {
    const bounds = { leastSamples: 1, leastMean: 0, halfLifeMs: 0, most: 9, apartMs: 0, keepMs: 9000, sample: 1 }
    admit(
      start,
      { op: 'merit', key: 'm', enforced: false, ...bounds },
      { op: 'distinct', key: 'd', enforced: true, value: 1, limit: 20, windowMs: 1000 },
      { op: 'triplet', key: 't', enforced: true, delayMs: 1, retryMs: 2, passMs: 3 },
      { ...windowAsk('k'), unless: [0] },
      { ...rateAsk(1), unless: [0] },
    )
    assert.equal(ledger.isEmpty, true)
  })

  it('forgets what has left every window', () => {
    admit(start, windowAsk('k'))
    assert.deepEqual(ledger.takeCharges(9, start + 3_600_000), [])
    assert.equal(ledger.isEmpty, true)
  })

  it('charges a bucket with what it still lacks', () => {
    admit(start, rateAsk(3))
    admit(start + 1000, rateAsk(2))
    assert.deepEqual(ledger.takeCharges(9, start + 2000), [{ op: 'rate', key: 'r', depthMs: 10_000, debtMs: 3000 }])
    admit(start, rateAsk(3))
    assert.deepEqual(ledger.takeCharges(9, start + 3000), [])
  })

  it('charges a slot that is reserved until it has begun, and then as one of that time', () => {
    const reserve = (now: number, startsInMs: number) => {
      const asks = [{ ...rateAsk(1), aheadMs: 60_000 }]
      const { answers, ...verdict } = verdictOf(asks)
      ledger.noteAdmitted(asks, { ...verdict, answers: [{ ...answers[0]!, startsInMs }] }, now)
    }
    const bucket = { op: 'rate', key: 'r', depthMs: 10_000 }
    reserve(start, 0)
    reserve(start, 5000)
    assert.deepEqual(ledger.takeCharges(9, start + 2000), [{ ...bucket, debtMs: 4000, startsInMs: 3000 }])
    reserve(start, 5000)
    admit(start, rateAsk(1))
    assert.deepEqual(ledger.takeCharges(9, start + 5500), [{ ...bucket, debtMs: 1500 }])
  })

  it('notes only what was admitted', () => {
    const asks = [windowAsk('k'), rateAsk(1)]
    ledger.noteAdmitted(asks, verdictOf(asks, false), start)
    ledger.noteAdmitted(asks, verdictOf(asks, true, false), start)
    admit(start, windowAsk('k', 0))
    admit(start, { op: 'lease', key: 'l', enforced: true, limit: 1, id: 'session-0001', ttlMs: 1000 })
    assert.equal(ledger.isEmpty, true)
  })

  it('is bounded in keys, and keeps the latest', () => {
    for (let index = 0; index < 10_005; index++) admit(start, windowAsk(`k${index}`))
    const keys = ledger.takeCharges(20_000, start).map((charge) => charge.key)
    assert.equal(keys.length, 10_000)
    assert.equal(keys.includes('k4'), false)
    assert.equal(keys.includes('k10004'), true)
  })

  it('is bounded in entries of a key', () => {
    for (let second = 0; second < 7200; second++) admit(start + second * 1000, windowAsk('k'))
    const [charge] = ledger.takeCharges(1, start + 7_200_000)
    assert.ok(
      charge?.op === 'window' && charge.entries.length <= 62,
      String(charge?.op === 'window' && charge.entries.length),
    )
  })

  it('hands charges and releases out in parts', () => {
    admit(start, windowAsk('a'), windowAsk('b'), windowAsk('c'))
    assert.equal(ledger.takeCharges(2, start).length, 2)
    assert.equal(ledger.takeCharges(2, start).length, 1)
    const refs = ['1', '2', '3'].map((digit) => ({ key: 'l', id: `session-000${digit}` }))
    ledger.noteReleased(refs)
    ledger.noteReleased(refs.slice(0, 1))
    // Noted twice, told once.
    assert.deepEqual(ledger.takeReleases(2), [refs[0], refs[1]])
    assert.deepEqual(ledger.takeReleases(2), [refs[2]])
    assert.equal(ledger.isEmpty, true)
  })

  it('drops what is owed for a key that was reset', () => {
    admit(start, windowAsk('a'))
    ledger.forget('a')
    assert.equal(ledger.isEmpty, true)
  })
})

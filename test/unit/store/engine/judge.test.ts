import assert from 'node:assert/strict'
import { describeKey } from '../../../../src/store/engine/describe'
import { judgeBatch, releaseLease, renewLease } from '../../../../src/store/engine/judge'
import { type LeaseState, type State, expiryOf } from '../../../../src/store/engine/state'
import { leaseAsk, leaseId, rateAsk, windowAsk } from '../../../contract/bench'

const NOW = 1_700_000_000_000

describe('judge', () => {
  it('names the fullest window when there is room in all, and the last to be free when there is not', () => {
    const table = new Map<string, State>()
    const ask = windowAsk('k', [
      { limit: 2, windowMs: 1000 },
      { limit: 100, windowMs: 60_000 },
    ])
    assert.equal(judge(table, ask).windowMs, 1000)
    assert.deepEqual(judge(table, ask), { ok: true, count: 1, limit: 2, windowMs: 1000, retryAfterMs: 0 })
    assert.equal(judge(table, ask, NOW + 400).retryAfterMs, 600)
    // The short window is empty by then: the long one is fuller.
    assert.deepEqual([judge(table, ask, NOW + 1000).windowMs], [60_000])
  })

  it('writes nothing into the table when the batch is refused', () => {
    const table = new Map<string, State>()
    const full = windowAsk('full', [{ limit: 1, windowMs: 1000 }])
    judge(table, full)
    const before = structuredClone([...table])
    const { committed } = judgeBatch(
      tableOf(table),
      [windowAsk('other', [{ limit: 5, windowMs: 1000 }]), full],
      NOW + 1,
    )
    assert.equal(committed, false)
    assert.deepEqual([...table], before)
  })

  it('starts a key anew when it was used for something else', () => {
    const table = new Map<string, State>()
    judge(table, rateAsk('k', 1000, 1))
    assert.equal(judge(table, leaseAsk('k', 1, 'a', 1000)).ok, true)
    assert.equal(judge(table, windowAsk('k', [{ limit: 1, windowMs: 1000 }])).ok, true)
  })

  it('does not lock a bucket out when the clock was put back by more than a full bucket lasts', () => {
    const table = new Map<string, State>()
    const ask = rateAsk('k', 1000, 2)
    judge(table, ask)
    judge(table, ask)
    assert.equal(judge(table, ask).ok, false)
    assert.equal(judge(table, ask, NOW - 2001).ok, true)
  })

  it('does not count the lease of one who asks again, nor leases that ended', () => {
    const table = new Map<string, State>()
    judge(table, leaseAsk('k', 2, 'a', 1000))
    judge(table, leaseAsk('k', 2, 'b', 2000))
    assert.deepEqual(judge(table, leaseAsk('k', 2, 'a', 1000)), {
      ok: true,
      count: 1,
      limit: 2,
      windowMs: 0,
      retryAfterMs: 0,
    })
    assert.equal(judge(table, leaseAsk('k', 2, 'c', 1000), NOW + 999).retryAfterMs, 1)
    assert.equal(judge(table, leaseAsk('k', 2, 'c', 1000), NOW + 1000).ok, true)
    assert.deepEqual(holders(table), ['b', 'c'])
  })

  it('refuses leases for good when none are allowed', () => {
    assert.equal(judge(new Map(), leaseAsk('k', 0, 'a', 1000)).retryAfterMs, Infinity)
  })

  it('releases only what is held', () => {
    const table = new Map<string, State>()
    judge(table, leaseAsk('k', 2, 'a', 1000))
    assert.equal(releaseLease(table.get('k'), { key: 'k', id: leaseId('b') }), undefined)
    assert.deepEqual(releaseLease(table.get('k'), { key: 'k', id: leaseId('a') })?.holders, [])
    assert.equal(releaseLease(undefined, { key: 'k', id: leaseId('a') }), undefined)
    assert.equal(releaseLease({ op: 'rate', tat: 1, noted: false }, { key: 'k', id: leaseId('a') }), undefined)
  })

  it('renews what is held and takes again what was lost', () => {
    const ref = { key: 'k', id: leaseId('a') }
    const renewed = renewLease(
      { op: 'lease', holders: [{ id: ref.id, expiresAt: NOW + 5 }], noted: false },
      ref,
      NOW,
      1000,
    )
    assert.deepEqual(renewed.holders, [{ id: ref.id, expiresAt: NOW + 1000 }])
    assert.equal(renewLease(undefined, ref, NOW, 1000).holders.length, 1)
    assert.equal(renewLease({ op: 'rate', tat: 1, noted: false }, ref, NOW, 1000).holders.length, 1)
  })

  it('tells people the counts, and when a key says nothing any more', () => {
    const table = new Map<string, State>()
    judge(table, windowAsk('w', [{ limit: 5, windowMs: 1000 }], { cost: 2 }))
    judge(table, leaseAsk('l', 5, 'a', 300))
    judge(table, rateAsk('r', 100, 5))
    const countsOf = (key: string, now = NOW) => describeKey(key, table.get(key)!, now)?.counts
    assert.deepEqual(countsOf('w'), [{ windowMs: 1000, count: 2 }])
    assert.deepEqual(countsOf('l', NOW + 299), [{ windowMs: 0, count: 1 }])
    assert.equal(countsOf('l', NOW + 300), undefined)
    assert.deepEqual(
      ['w', 'l', 'r'].map((key) => expiryOf(table.get(key)!) - NOW),
      [1000, 300, 100],
    )
  })

  function judge(table: Map<string, State>, ask: Parameters<typeof judgeBatch>[1][number], now = NOW) {
    return judgeBatch(tableOf(table), [ask], now).answers[0]!
  }

  function tableOf(table: Map<string, State>) {
    return { get: (key: string) => table.get(key), put: (key: string, state: State) => void table.set(key, state) }
  }

  function holders(table: Map<string, State>): string[] {
    return (table.get('k') as LeaseState).holders.map((holder) => holder.id.replaceAll('.', ''))
  }
})

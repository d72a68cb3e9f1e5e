import assert from 'node:assert/strict'
import { MemoryRecords } from '../../../../src/store/memory/memory-records'
import { OutageRecords, isFull } from '../../../../src/store/redis/outage-records'
import type { StoredRecord } from '../../../../src/store/store'

const NOW = 1_700_000_000_000
const recordOf = (key: string, text = 'why', inMs = 60_000): StoredRecord => ({ key, text, expiresAt: NOW + inMs })

describe('records of a shared store that may be away', () => {
  let isAway: boolean
  let now: number
  let shared: MemoryRecords
  let records: OutageRecords
  let notices: string[]

  beforeEach(() => {
    ;[isAway, now, notices] = [false, NOW, []]
    const clock = () => now
    shared = new MemoryRecords(
      () => {
        if (isAway) throw new Error('away')
      },
      clock,
      20_000,
    )
    records = new OutageRecords({
      shared,
      clock,
      onNotice: (notice) => notices.push(notice),
      call: async (work) => {
        if (isAway) return undefined
        try {
          return { result: await work() }
        } catch (error) {
          if (isFull(error)) throw error
          return undefined
        }
      },
    })
  })

  const get = async (...keys: string[]) => (await records.get(keys)).records

  it('are those of the shared store while that is there', async () => {
    await records.put([recordOf('a')])
    assert.deepEqual(await records.get(['a', 'b']), { records: [recordOf('a'), undefined], degraded: false })
    assert.deepEqual(await shared.count(), 1)
    assert.equal(await records.remove(['a', 'b']), 1)
    assert.equal(await records.count(), 0)
  })

  it('are nobody’s while it is away, and that is said', async () => {
    await records.put([recordOf('a')])
    isAway = true
    assert.deepEqual(await records.get(['a']), { records: [undefined], degraded: true })
    await assert.rejects(async () => records.scan('', undefined, 9))
  })

  it('that are learned meanwhile are known here at once, and sent when it is back', async () => {
    await records.put([recordOf('a'), recordOf('b')])
    isAway = true
    await records.put([recordOf('c'), recordOf('d'), recordOf('brief', '', 100)])
    assert.equal(await records.remove(['a', 'd']), 1)
    assert.deepEqual(await get('a', 'b', 'c', 'd'), [undefined, undefined, recordOf('c'), undefined])
    now += 101
    assert.deepEqual(await get('brief'), [undefined])
    await assert.rejects(records.send(), /away/)
    assert.equal(records.settled, false)
    isAway = false
    assert.deepEqual(await get('a', 'b', 'c'), [undefined, recordOf('b'), recordOf('c')], 'above what the store says')
    await records.send()
    assert.equal(records.settled, true)
    assert.deepEqual((await shared.scan('', undefined, 9)).records, [recordOf('b'), recordOf('c')])
  })

  it('do not overrule what was said of a key since', async () => {
    isAway = true
    await records.put([recordOf('a', 'first')])
    isAway = false
    await records.put([recordOf('a', 'second')])
    await records.send()
    assert.deepEqual((await shared.scan('', undefined, 9)).records, [recordOf('a', 'second')])
  })

  it('are refused beyond 10,000 changes that wait, with all of the call, and nothing is lost', async () => {
    isAway = true
    const many = Array.from({ length: 9999 }, (_, index) => recordOf(`k${index}`))
    await records.put(many)
    await assert.rejects(records.put([recordOf('x'), recordOf('y')]), { code: 'STORE_UNREACHABLE', message: /9999/ })
    await records.put([recordOf('x'), recordOf('k0', 'changed')])
    assert.deepEqual(await get('k0', 'x', 'y'), [recordOf('k0', 'changed'), recordOf('x'), undefined])
    isAway = false
    await records.send()
    assert.equal(await shared.count(), 10_000)
  })

  it('that do not fit when it is back are told of and given up', async () => {
    await records.put(Array.from({ length: 20_000 }, (_, index) => recordOf(`k${index}`)))
    isAway = true
    await records.put([recordOf('x')])
    isAway = false
    await records.send()
    assert.equal(records.settled, true)
    assert.match(notices.join(), /^1 records from when the shared store was away are not kept\. .*max_records/)
    await assert.rejects(records.put([recordOf('y')]), { code: 'STORE_FULL' })
  })

  it('that are lost with the process are told of', async () => {
    records.close()
    isAway = true
    await records.put([recordOf('a')])
    records.close()
    assert.deepEqual(notices, [
      '1 change of records (suppressed addresses) did not reach the shared store and are lost',
    ])
  })
})

import assert from 'node:assert/strict'
import { SuppressionList } from '../../../src/feedback/suppression-list'
import { MemoryRecords } from '../../../src/store/memory/memory-records'
import type { Records, RecordsRead } from '../../../src/store/store'

const DAY = 86_400_000
const KEPT = { hard_bounce: 90 * DAY, complaint: 3650 * DAY, unsubscribe: 3650 * DAY, manual: 3650 * DAY }
const EVERYBODY = { tenant: undefined, isBounce: false }

describe('the suppression list', () => {
  let now: number
  let records: Records
  let list: SuppressionList

  beforeEach(() => {
    now = 1_790_000_000_000
    records = new MemoryRecords(
      () => undefined,
      () => now,
    )
    list = new SuppressionList({ records: () => records, keptFor: () => KEPT, clock: () => now })
  })

  const reasons = async (addresses: readonly string[], sending: Parameters<SuppressionList['find']>[1] = EVERYBODY) =>
    (await list.find(addresses, sending)).map((found) => found?.reason)

  it('finds who was added, however he is written, until his time is over', async () => {
    const bob = { address: 'Bob@FAR.test', reason: 'hard_bounce', by: 'feedback' } as const
    assert.deepEqual(await list.add([bob]), { added: 1, problems: [] })
    assert.deepEqual(await reasons(['eve@far.test', 'BOB@far.test', 'no address']), [
      undefined,
      'hard_bounce',
      undefined,
    ])
    now += 90 * DAY
    assert.deepEqual(await reasons(['bob@far.test']), [undefined])
  })

  it('adds what can be read, says what cannot, and of two alike takes the last', async () => {
    const added = await list.add([
      { address: 'a@far.test', reason: 'manual', by: 'x' },
      { address: 'nobody', reason: 'manual', by: 'x' },
      { address: 'A@far.test', reason: 'complaint', by: 'x' },
    ])
    assert.equal(added.added, 1)
    assert.deepEqual(
      added.problems.map(({ index }) => index),
      [1],
    )
    assert.deepEqual(await reasons(['a@far.test']), ['complaint'])
  })

  it('learns what holds for longer than what is known, and no less', async () => {
    const of = (reason: 'manual' | 'hard_bounce') => ({ address: 'a@far.test', reason, by: 'x' }) as const
    assert.equal((await list.learn([of('hard_bounce')])).added, 1)
    await list.add([of('manual')])
    assert.equal((await list.learn([of('hard_bounce')])).added, 0)
    assert.deepEqual(await reasons(['a@far.test']), ['manual'])
    now += 91 * DAY
    assert.deepEqual(await reasons(['a@far.test']), ['manual'])
    now += 3540 * DAY
    assert.equal((await list.learn([of('hard_bounce')])).added, 1)
  })

  it('keeps what one tenant says from the others, and removes it for him alone', async () => {
    await list.add([
      { address: 'a@far.test', reason: 'unsubscribe', tenant: 'acme', by: 'x' },
      { address: 'b@far.test', reason: 'unsubscribe', tenant: 'acme', by: 'x' },
      { address: 'b@far.test', reason: 'complaint', by: 'x' },
    ])
    const both = ['a@far.test', 'b@far.test']
    assert.deepEqual(await reasons(both), [undefined, 'complaint'])
    assert.deepEqual(await reasons(both, { tenant: 'other', isBounce: false }), [undefined, 'complaint'])
    assert.deepEqual(await reasons(both, { tenant: 'acme', isBounce: false }), ['unsubscribe', 'complaint'])
    assert.equal(await list.remove('B@far.test', 'acme'), true)
    assert.equal(await list.remove('b@far.test', 'acme'), false)
    assert.equal(await list.remove('nobody', undefined), false)
    assert.deepEqual(await reasons(both, { tenant: 'acme', isBounce: false }), ['unsubscribe', 'complaint'])
    const page = async (of: { tenant?: string; global?: boolean }) =>
      (await list.page(undefined, 10, of)).entries.map(({ address }) => address)
    assert.deepEqual(
      [await page({}), await page({ tenant: 'acme' }), await page({ tenant: 'acm' })],
      [both, [both[0]], []],
    )
    assert.deepEqual(await page({ global: true }), [both[1]])
  })

  it('keeps a bounce only from a mailbox that is not there, for everybody', async () => {
    const entry = (address: string, reason: 'hard_bounce' | 'complaint', tenant?: string) =>
      ({ address, reason, tenant, by: 'x' }) as const
    await list.add([
      entry('gone@f', 'hard_bounce'),
      entry('angry@f', 'complaint'),
      entry('his@f', 'hard_bounce', 'acme'),
    ])
    assert.deepEqual(await reasons(['gone@f', 'angry@f', 'his@f'], { tenant: 'acme', isBounce: true }), [
      'hard_bounce',
      undefined,
      undefined,
    ])
  })

  it('asks a shared store once for all recipients, and hardly at all while it is empty', async () => {
    const asked: string[] = []
    const inner = records as MemoryRecords
    let degraded = false
    records = Object.assign(Object.create(inner) as MemoryRecords, {
      get: async (keys: readonly string[]): Promise<RecordsRead> => {
        asked.push(`get ${keys.length}`)
        return { ...inner.get(keys), degraded }
      },
      count: async () => {
        asked.push('count')
        return inner.count()
      },
    })
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    const some = ['a@f', 'b@f', 'c@f']
    degraded = true
    await reasons(some, { tenant: 'acme', isBounce: false })
    await turn()
    assert.deepEqual(asked.splice(0), ['get 6'], 'who does not answer is not known to be empty')
    degraded = false
    await reasons(some)
    await turn()
    assert.deepEqual(asked.splice(0), ['get 3', 'count'])
    for (let count = 0; count < 5; count++) assert.deepEqual(await reasons(some), [undefined, undefined, undefined])
    assert.deepEqual(asked, [])
    await list.add([{ address: 'a@f', reason: 'manual', by: 'x' }])
    assert.deepEqual(await reasons(['a@f']), ['manual'], 'what was added here holds at once')
    await list.remove('a@f', undefined)
    await reasons(some)
    await turn()
    asked.length = 0
    now += 1000
    await reasons(some)
    assert.equal(asked[0], 'get 3')
  })
})

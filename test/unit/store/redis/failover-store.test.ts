import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { FailoverStore, type StoreChange } from '../../../../src/store/redis/failover-store'
import {
  type Ask,
  type BoardChange,
  type BoardEntry,
  type LeaseRef,
  type RateAsk,
  StoreError,
} from '../../../../src/store/store'
import { FakeShared } from './fake-shared'

const ask: Ask = { op: 'window', key: 'k', enforced: true, cost: 1, windows: [{ limit: 12, windowMs: 60_000 }] }
const refs: LeaseRef[] = [{ key: 'l', id: 'session-0001' }]

describe('FailoverStore', () => {
  const gone = new StoreError('STORE_REFUSED', 'gone')
  let now: number
  let shared: FakeShared
  let store: FailoverStore
  let changes: StoreChange[]

  beforeEach(async () => {
    mock.timers.enable({ apis: ['setInterval'] })
    now = 1_700_000_000_000
    changes = []
    const clock = (): number => now
    shared = new FakeShared({ clock })
    store = new FailoverStore({
      shared,
      local: new MemoryStore({ clock }),
      clock,
      onChange: (change) => changes.push(change),
    })
  })

  afterEach(async () => {
    await store.close()
    mock.timers.reset()
  })

  /** Lets time pass, and the background work of it come to its end. */
  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 200) {
      now += 200
      mock.timers.tick(200)
      await new Promise(setImmediate)
    }
  }

  async function lose(error: Error = gone): Promise<void> {
    shared.down = error
    for (let count = 0; count < 3; count++) await store.judge([ask])
  }

  it('is of the kind of the store it guards', () => assert.equal(store.kind, shared.kind))

  it('answers the very call that failed, and counts as lost at the third in a row', async () => {
    await store.open()
    shared.down = gone
    for (const lost of [0, 0, 1]) {
      const verdict = await store.judge([ask])
      assert.deepEqual([verdict.committed, verdict.degraded], [true, true])
      assert.equal(changes.length, lost)
    }
    assert.deepEqual(changes, [
      { state: 'lost', at: now, reason: 'gone; each process holds its own share of the limits until it is back' },
    ])
  })

  it('opens at once without the shared store, and says so', async () => {
    shared.down = gone
    await store.open()
    assert.deepEqual(
      changes.map((change) => change.state),
      ['lost'],
    )
  })

  it('is back after a successful probe, having told what happened meanwhile', async () => {
    await store.open()
    await lose()
    await store.judge([ask])
    await store.release(refs)
    await pass(3000)
    assert.equal(changes.length, 1)
    shared.down = undefined
    await pass(1000)
    assert.deepEqual(changes[1], {
      state: 'back',
      at: now,
      reason: 'the shared store answers again; limits are shared again',
      downMs: 4000,
    })
    assert.deepEqual(shared.released, refs)
    assert.deepEqual(
      shared.charged.map((charge) => charge.op === 'window' && charge.entries),
      [[{ agoMs: 4000, units: 4 }]],
    )
    assert.equal((await store.judge([ask])).degraded, false)
  })

  it('stays away while it cannot tell what happened', async () => {
    await store.open()
    await lose()
    shared.down = undefined
    shared.refusesCharges = gone
    await pass(1000)
    assert.equal(changes.length, 1)
    shared.refusesCharges = undefined
    await pass(1000)
    assert.equal(changes.length, 2)
    assert.deepEqual(shared.charged, [], 'a charge that may have arrived is not sent again')
  })

  for (const code of ['STORE_TIMEOUT', 'STORE_UNREACHABLE'] as const) {
    it(`does not charge a judgement that ended in ${code}, as it may have been carried out`, async () => {
      await store.open()
      await lose(new StoreError(code, 'late'))
      shared.down = undefined
      await pass(1000)
      assert.equal(changes.length, 2)
      assert.deepEqual(shared.charged, [])
    })
  }

  it('settles a single failure without being lost', async () => {
    await store.open()
    shared.down = gone
    await store.judge([ask])
    await store.release(refs)
    shared.down = undefined
    await pass(200)
    assert.deepEqual([changes.length, shared.charged.length, shared.released.length], [0, 1, 1])
  })

  it('divides the quota by the processes last heard of', async () => {
    shared.live = 4
    await store.open()
    await lose()
    let admitted = 3
    while ((await store.judge([ask])).committed) admitted++
    assert.equal(admitted, 3)
  })

  const reservation = (key = 'r'): Ask => ({
    ...{ op: 'rate', key, enforced: true, cost: 1, intervalMs: 1000, burst: 1, aheadMs: 60_000 },
  })
  const reserve = async (key?: string) => (await store.judge([reservation(key)])).answers[0]!.startsInMs

  it('begins nothing among the slots it has reserved there, and at the pace of its share behind them', async () => {
    shared.live = 4
    await store.open()
    for (const startsInMs of [0, 1000, 2000]) assert.equal(await reserve(), startsInMs)
    await lose()
    assert.deepEqual([await reserve(), await reserve(), await reserve()], [3000, 7000, 11_000])
    assert.equal(await reserve('another'), 0)
  })

  it('follows what was reserved of the whole also where a share is rounded down, as far ahead as can be', async () => {
    shared.live = 3
    const wide: Ask = { ...(reservation() as RateAsk), burst: 5, aheadMs: 3_600_000, intervalMs: 600_000 }
    const next = async () => (await store.judge([wide])).answers[0]!
    await store.open()
    for (let slot = 0; slot < 11; slot++) assert.equal((await next()).ok, true)
    await lose()
    assert.equal((await next()).ok, false)
  })

  it('says there which slots it has reserved meanwhile', async () => {
    await store.open()
    await lose()
    for (const startsInMs of [0, 1000, 2000, 3000]) assert.equal(await reserve(), startsInMs)
    shared.down = undefined
    await pass(1000)
    const { debtMs, startsInMs } = shared.charged.find((charge) => charge.op === 'rate')!
    assert.ok(startsInMs !== undefined && startsInMs >= 2000 && startsInMs < 3000, String(startsInMs))
    assert.equal(debtMs, startsInMs + 1000)
  })

  it('does not believe at once, after a return, that the others are gone', async () => {
    shared.live = 4
    await store.open()
    await lose()
    shared.down = undefined
    shared.live = 1
    await pass(3000)
    assert.equal((await store.ping()).detail['processes'], 4)
    await pass(10_000)
    assert.equal((await store.ping()).detail['processes'], 1)
  })

  it('lets a mistake of ours through, and counts it as no outage', async () => {
    await store.open()
    shared.down = new TypeError('a bug')
    await assert.rejects(store.judge([ask]), TypeError)
    assert.deepEqual(changes, [])
  })

  it('does not end the process for a mistake in the background', async () => {
    await store.open()
    shared.down = new TypeError('a bug')
    await pass(2000)
    assert.deepEqual(
      changes.map((change) => change.reason),
      ['a bug; each process holds its own share of the limits until it is back'],
    )
  })

  it('tells of resets by others, and forgets the key in its own share too', async () => {
    const heard: string[] = []
    store.onReset((key) => heard.push(key))
    await store.open()
    await lose()
    await shared.reset(['k'])
    assert.deepEqual(heard, ['k'])
    assert.equal((await store.judge([ask])).answers[0]!.count, 0)
  })

  it('tells of its own resets once', async () => {
    const heard: string[] = []
    store.onReset((key) => heard.push(key))
    await store.open()
    await store.judge([ask])
    assert.equal(await store.reset(['k']), 1)
    assert.deepEqual(heard, ['k'])
  })

  it('lists what it judges against', async () => {
    await store.open()
    await store.judge([{ ...ask, key: 'there' }])
    await lose()
    assert.deepEqual(
      (await store.list('', 9)).map(({ key }) => key),
      ['k'],
    )
  })

  it('gives leases back in the same turn, as a process that exits has no other', async () => {
    await store.open()
    const lease = { key: 'k', id: 'a' }
    const released = store.release([lease])
    assert.deepEqual(shared.released, [lease])
    await released
  })

  describe('and the board', () => {
    const entryOf = (key: string, text = ''): BoardEntry => ({ key, text, expiresAt: now + 60_000 })
    const posted = (entry: BoardEntry): BoardChange => ({ kind: 'posted', entry })
    let heard: BoardChange[]

    beforeEach(() => {
      heard = []
      store.onBoard((change) => heard.push(change))
    })

    it('tells of everything at open, and of each change once', async () => {
      await shared.post([entryOf('before')])
      await store.open()
      assert.deepEqual(heard, [{ kind: 'all', entries: [entryOf('before')] }])
      await store.post([entryOf('own')])
      await shared.post([entryOf('theirs')])
      assert.equal(await store.withdraw(['before', 'unknown']), 1)
      assert.deepEqual(heard.slice(1), [
        posted(entryOf('own')),
        posted(entryOf('theirs')),
        { kind: 'withdrawn', key: 'before' },
      ])
    })

    it('opens with an empty one when the shared store is away', async () => {
      shared.down = gone
      await store.open()
      assert.deepEqual(heard, [{ kind: 'all', entries: [] }])
    })

    it('acts at once on its own copy while the shared store is away, and sends the latest when it is back', async () => {
      await store.open()
      await store.post([entryOf('kept'), entryOf('gone')])
      await lose()
      heard = []
      await store.post([entryOf('new', 'first')])
      await store.post([entryOf('new', 'second')])
      assert.equal(await store.withdraw(['gone', 'unknown']), 1)
      assert.deepEqual(heard, [
        posted(entryOf('new', 'first')),
        posted(entryOf('new', 'second')),
        { kind: 'withdrawn', key: 'gone' },
      ])
      const known = await store.readBoard('', 9)
      assert.deepEqual(known.map(({ key }) => key).sort(), ['kept', 'new'])
      const expected = [entryOf('kept'), entryOf('new', 'second')]
      shared.down = undefined
      await pass(1400)
      assert.equal(changes.length, 2)
      assert.deepEqual(await shared.readBoard('', 9), expected)
      assert.equal(heard.length, 3, 'nobody is told again')
    })

    it('keeps what it did meanwhile when it is told everything before it could send', async () => {
      await store.open()
      await store.post([entryOf('gone')])
      await lose()
      await store.post([entryOf('new')])
      await store.withdraw(['gone'])
      heard = []
      await MemoryStore.prototype.open.call(shared)
      assert.deepEqual(heard, [{ kind: 'all', entries: [entryOf('new')] }])
    })

    it('acts by itself when only the board is refused, which is no outage, and asks again', async () => {
      await store.open()
      const entry = entryOf('k')
      shared.refusesBoard = gone
      for (let count = 0; count < 5; count++) await store.post([entry])
      await pass(5000)
      assert.deepEqual(changes, [])
      assert.deepEqual(heard.slice(1), [posted(entry)])
      shared.refusesBoard = undefined
      await pass(2200)
      assert.deepEqual(await shared.readBoard('', 9), [entry])
    })

    it('sends nothing older over what was said later', async () => {
      await store.open()
      shared.down = gone
      await store.post([entryOf('k', 'older')])
      shared.down = undefined
      const later = entryOf('k', 'later')
      await store.post([later])
      await pass(3000)
      assert.deepEqual(await shared.readBoard('', 9), [later])
    })

    it('throws a mistake of the caller back, and rejects once closed', async () => {
      await store.open()
      await assert.rejects(store.post([{ key: 'k', text: '', expiresAt: Infinity }]), RangeError)
      await store.close()
      await assert.rejects(store.post([entryOf('k')]), { code: 'STORE_CLOSED' })
      await assert.rejects(store.withdraw(['k']), { code: 'STORE_CLOSED' })
    })
  })

  it('rejects once closed', async () => {
    await store.open()
    await store.close()
    await assert.rejects(store.judge([ask]), { code: 'STORE_CLOSED' })
  })
})

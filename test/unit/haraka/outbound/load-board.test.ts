import assert from 'node:assert/strict'
import { MOST_REPORTED, readLoad, readProcess } from '../../../../src/egress/path-load'
import type { Work } from '../../../../src/haraka/outbound/deliveries-options'
import { LoadBoard } from '../../../../src/haraka/outbound/load-board'
import { readingsOf } from '../../../../src/haraka/outbound/readings'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import type { Store } from '../../../../src/store/store'

function workOn(path: string, waiting: number, more: Partial<Work> = {}): Work {
  const classes = waiting === 0 ? [] : [{ mailClass: 'system' as const, waiting, oldestDueAt: 400 }]
  return {
    ...{ path, provider: undefined, waiting, underWay: 1, classes, connections: 2, hold: 'rate' },
    limits: { connections: 5, rate: { intervalMs: 50, burst: 1 } },
    ...more,
  }
}

describe('load board', () => {
  let now: number
  let store: MemoryStore
  let work: Work[]
  let board: LoadBoard
  let failures: unknown[]
  beforeEach(async () => {
    now = 1000
    store = new MemoryStore({ clock: () => now })
    await store.open()
    work = []
    failures = []
    board = boardOn(store)
  })
  const boardOn = (on: Store) =>
    new LoadBoard({
      process: 'mx1-1-A',
      store: () => on,
      work: () => work,
      putOff: () => 7,
      onFailure: (error) => failures.push(error),
      clock: () => now,
    })
  const loads = async () => (await store.readBoard('egress_load|', 1000)).map((entry) => readLoad(entry)!)

  it('tells what there is by path, how fast it goes, and of itself', async () => {
    work = [workOn('egress|default|far', 3), workOn('egress|default|near', 0)]
    for (let attempt = 0; attempt < 20; attempt++) board.noteEnd('egress|default|far')
    now += 10_000
    await board.publish()
    const [far, near] = (await loads()).sort((a, b) => (a.path < b.path ? -1 : 1))
    assert.deepEqual(far, {
      ...{
        process: 'mx1-1-A',
        path: 'egress|default|far',
        provider: undefined,
        at: now,
        underWay: 1,
        connections: 2,
        oldestDueAt: 400,
      },
      ...{ waiting: { transactional: 0, system: 3, marketing: 0 }, pace: 2, hold: 'rate' },
      limits: { connections: 5, intervalMs: 50, suspendedUntil: undefined, warmingUntil: undefined },
    })
    assert.deepEqual([near!.oldestDueAt, near!.pace], [undefined, 0])
    const [own] = await store.readBoard('egress_process|', 9)
    const said = { process: 'mx1-1-A', at: now, waiting: 3, underWay: 2, putOff: 7, paths: 2 }
    assert.deepEqual(readProcess(own!), said)
  })

  it('takes off what has nothing to do any more, and tells of the busiest paths only', async () => {
    work = Array.from({ length: MOST_REPORTED + 50 }, (_, index) => workOn(`egress|default|p${index}.test`, index))
    await board.publish()
    const paths = (await loads()).map(({ path }) => path)
    assert.deepEqual([paths.length, paths.includes('egress|default|p49.test')], [MOST_REPORTED, false])
    work = [workOn('egress|default|p100.test', 1)]
    await board.publish()
    assert.deepEqual(
      (await loads()).map(({ path }) => path),
      ['egress|default|p100.test'],
    )
  })

  it('says when it cannot tell', async () => {
    const ill = { post: () => Promise.reject(new Error('gone')) } as unknown as Store
    await boardOn(ill).publish()
    assert.match(String(failures), /gone/)
  })
})

describe('readings of what is on its way out', () => {
  it('are by provider and class, and by state', () => {
    const work = [
      workOn('egress|default|far', 3, { provider: 'far' }),
      workOn('egress|default|mx.test', 2, { underWay: 4 }),
    ]
    const readings = readingsOf({
      work: () => work,
      sessions: () => ({ connections: 5, parked: 2 }),
      warmups: () => [{ source: 'fresh', group: 'far', quota: 200, taken: 30 }],
      clock: () => 1000,
    })
    assert.deepEqual(
      [...readings.egressWaiting()],
      [
        { provider: 'far', mailClass: 'system', value: 3 },
        { provider: undefined, mailClass: 'system', value: 2 },
      ],
    )
    assert.deepEqual(
      [...readings.egressOldestMs()].map(({ value }) => value),
      [600, 600],
    )
    assert.deepEqual(
      [...readings.warmupQuota(), ...readings.warmupTaken()],
      [200, 30].map((value) => ({ source: 'fresh', provider: 'far', value })),
    )
    assert.deepEqual([...readings.egressUnderWay()][1], { provider: undefined, value: 4 })
    assert.deepEqual(
      [...readings.egressSessions()],
      [
        ['busy', 3],
        ['idle', 2],
      ],
    )
  })
})

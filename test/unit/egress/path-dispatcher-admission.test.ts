import assert from 'node:assert/strict'
import type { MailClass, Waiting } from '../../../src/egress/fair-queue'
import {
  type Grant,
  PathDispatcher,
  type PathDispatcherOptions,
  type PathLimits,
} from '../../../src/egress/path-dispatcher'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { FakeTimers } from './fake-timers'

describe('path dispatcher that asks whether a message may go', () => {
  let timers: FakeTimers
  let store: MemoryStore
  let sent: { at: number; id: string; end: () => void }[]
  let failures: unknown[]
  let count: number
  beforeEach(() => {
    timers = new FakeTimers()
    store = new MemoryStore({ clock: () => timers.now() })
    sent = []
    failures = []
    count = 0
  })

  function dispatcher(limits: Partial<PathLimits>, options: Partial<PathDispatcherOptions<Waiting>> = {}) {
    return new PathDispatcher<Waiting>({
      path: 'default|google',
      limits: () => ({ connections: 1000, rate: undefined, ...limits }),
      store: () => store,
      send: ({ item, end }: Grant<Waiting>) => sent.push({ at: timers.now(), id: item.id, end }),
      onFailure: (error) => failures.push(error),
      timers,
      clock: () => timers.now(),
      ...options,
    })
  }
  const item = (mailClass: MailClass = 'system', tenant = 'a'): Waiting => ({
    id: `m${count++}`,
    mailClass,
    tenant,
    dueAt: 0,
  })
  const add = (to: PathDispatcher<Waiting>, times: number) => {
    for (let time = 0; time < times; time++) to.add(item())
  }
  const held = async () => (await store.list('egress_place', 9))[0]?.counts[0]?.count ?? 0

  it('keeps the order of those that may not, and asks again only when it is told to', async () => {
    let warmingUntil: number | undefined
    let left = 2
    const asked: string[] = []
    const path = dispatcher(
      {},
      {
        limits: () => ({ connections: 1, rate: undefined, warmingUntil }),
        admit: async ({ id }) => {
          asked.push(id)
          if (left-- > 0) return 'go'
          warmingUntil = timers.now() + 600_000
          return 'wait'
        },
        send: ({ item, end }) => {
          sent.push({ at: timers.now(), id: item.id, end })
          end()
        },
      },
    )
    add(path, 5)
    await timers.pass(500_000)
    assert.deepEqual(
      [sent.map(({ id }) => id), asked],
      [
        ['m0', 'm1'],
        ['m0', 'm1', 'm2'],
      ],
    )
    assert.deepEqual([path.hold, path.waiting, path.underWay, await held()], ['warmup', 3, 0, 0])
    assert.ok(timers.pending <= 1, 'it looks for nothing meanwhile')
    ;[left, warmingUntil] = [2, undefined]
    path.pump()
    await timers.pass(0)
    assert.deepEqual(asked.slice(3), ['m2', 'm3', 'm4'])
    assert.equal(path.waiting, 1)
  })

  it('lets go of what is to go elsewhere, and of nothing else', async () => {
    const elsewhere: string[] = []
    const idle: boolean[] = []
    const path = dispatcher(
      {},
      {
        admit: ({ id }) => (id === 'm0' ? Promise.resolve({ elsewhere: () => void elsewhere.push(id) }) : undefined),
        onIdle: () => idle.push(true),
      },
    )
    add(path, 2)
    await timers.pass(0)
    assert.deepEqual([elsewhere, sent.map(({ id }) => id), path.underWay], [['m0'], ['m1'], 1])
    sent[0]!.end()
    await timers.pass(0)
    assert.deepEqual([idle.length > 0, await held()], [true, 0])
  })
})

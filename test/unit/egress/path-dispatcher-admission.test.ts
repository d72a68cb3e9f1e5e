import assert from 'node:assert/strict'
import { DispatcherScene } from './dispatcher-scene'

describe('path dispatcher that asks whether a message may go', () => {
  let timers: DispatcherScene['timers']
  let sent: DispatcherScene['sent']
  let dispatcher: DispatcherScene['dispatcher']
  let add: DispatcherScene['add']
  let held: DispatcherScene['held']
  beforeEach(() => {
    ;({ timers, sent, dispatcher, add, held } = new DispatcherScene())
  })

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

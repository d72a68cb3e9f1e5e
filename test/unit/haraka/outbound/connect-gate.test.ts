import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { ConnectGate } from '../../../../src/haraka/outbound/connect-gate'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { settle } from './fake-item'

const PATH = 'egress|default|far'
const RATE = { limit: 2, windowMs: 10_000 }

describe('leave to make a connection', () => {
  let store: MemoryStore
  /** Places of the path, and connections that there are. */
  let places: number
  let connections: number
  let gate: ConnectGate

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_790_000_000_000 })
    store = new MemoryStore({ clock: () => Date.now() })
    ;[places, connections] = [10, 0]
    gate = new ConnectGate({ hasPlace: (_, coming) => connections + coming < places, store: () => store })
  })
  afterEach(() => mock.timers.reset())

  /** What became of it so far. */
  function watch(asked: Promise<void> | undefined): { state: string } {
    const watched = { state: asked ? 'waits' : 'at once' }
    asked?.then(
      () => (watched.state = 'given'),
      (error: Error) => (watched.state = error.message),
    )
    return watched
  }
  async function pass(ms: number) {
    mock.timers.tick(ms)
    await settle()
  }

  it('is given at once where there is a place and no rate', () => {
    assert.equal(gate.ask(PATH, undefined), undefined)
  })

  it('is given for a place that is free once, however many ask in one turn', async () => {
    places = 2
    const asked = [1, 2, 3].map(() => watch(gate.ask(PATH, undefined)))
    assert.deepEqual(
      asked.map(({ state }) => state),
      ['at once', 'at once', 'waits'],
    )
    connections = 2
    await settle()
    assert.equal(asked[2]!.state, 'waits')
    connections = 1
    gate.changed(PATH)
    await settle()
    assert.equal(asked[2]!.state, 'given')
  })

  it('is given again when what was let go did not connect after all', async () => {
    places = 1
    const [, second] = [watch(gate.ask(PATH, undefined)), watch(gate.ask(PATH, undefined))]
    assert.equal(second.state, 'waits')
    await settle()
    assert.equal(second.state, 'given')
  })

  it('is given to those who wait in order, one for each place, of this path alone', async () => {
    places = 0
    const asked = [1, 2, 3].map(() => watch(gate.ask(PATH, undefined)))
    const other = watch(gate.ask('egress|default|other', undefined))
    places = 1
    gate.changed(PATH)
    connections = 1
    await settle()
    assert.deepEqual(
      asked.map(({ state }) => state),
      ['given', 'waits', 'waits'],
    )
    assert.equal(other.state, 'waits')
  })

  it('is refused after a while without a place', async () => {
    places = 0
    const asked = watch(gate.ask(PATH, undefined))
    await pass(29_000)
    assert.equal(asked.state, 'waits')
    await pass(1000)
    assert.equal(asked.state, 'its path has no place for a connection')
    places = 1
    gate.changed(PATH)
    assert.equal(gate.ask(PATH, undefined), undefined, 'who is gone takes no place')
  })

  it('comes at the rate of the path, whichever process asks', async () => {
    const other = new ConnectGate({ hasPlace: () => true, store: () => store })
    const asked = [gate, other, gate, other].map((one) => watch(one.ask(PATH, RATE)))
    await settle()
    assert.deepEqual(
      asked.map(({ state }) => state),
      ['given', 'given', 'waits', 'waits'],
    )
    await pass(9000)
    assert.equal(asked.filter(({ state }) => state === 'given').length, 2)
    await pass(4000)
    assert.equal(asked.filter(({ state }) => state === 'given').length, 4)
  })

  it('is refused when the rate allows none for long, and when the store cannot be asked', async () => {
    const slow = { limit: 1, windowMs: 3_600_000 }
    const asked = [1, 2].map(() => watch(gate.ask(PATH, slow)))
    await settle()
    assert.deepEqual(
      asked.map(({ state }) => state),
      ['given', 'the connection rate of its path allows no connection soon'],
    )
    store.judge = () => {
      throw new Error('no store')
    }
    const broken = watch(gate.ask(PATH, RATE))
    await settle()
    assert.equal(broken.state, 'no store')
  })
})

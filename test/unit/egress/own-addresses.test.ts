import assert from 'node:assert/strict'
import type { AddressListings } from '../../../src/dns/listed-addresses'
import { ANY_CODE, type ListZone } from '../../../src/dns/list-spec'
import { type ListingChange, OwnAddresses } from '../../../src/egress/own-addresses'
import type { EgressPolicy, Source } from '../../../src/egress/sources'
import { Steering } from '../../../src/egress/steering'
import type { Mode } from '../../../src/policy/mode'
import { MemoryStore } from '../../../src/store/memory/memory-store'

const HOUR = 3_600_000
const ZONE: ListZone = {
  ...{ zone: 'bl.test', label: 'bl.test', kind: 'ip', on: ['client'], ban: false, test: '127.0.0.2' },
  codes: [{ pattern: ANY_CODE, weight: 1 }],
}

function source(name: string, bind: string): Source {
  return { name, bind, bind6: undefined, helo: undefined }
}
const [A, B, LONE] = [source('a', '192.0.2.1'), source('b', '192.0.2.2'), source('lone', '192.0.2.3')]
const MAIN = { name: 'main', members: [A, B].map((one) => ({ source: one, weight: 1 })) }
const EGRESS = {
  sources: new Map([A, B, LONE].map((one) => [one.name, one])),
  pools: {
    ofAccount: new Map([['shop', { name: 'lone', members: [{ source: LONE, weight: 1 }] }]]),
    ...{ ofTenant: new Map(), ofClass: new Map(), standard: MAIN },
  },
} as unknown as EgressPolicy

describe('own addresses on DNS lists', () => {
  let now: number
  let mode: Mode
  let store: MemoryStore
  let steering: Steering
  let processes: OwnAddresses[]
  let changes: ListingChange[]
  let asked: number
  /** Addresses on the list; `silent`: it says nothing. */
  let on: Set<string>
  let isSilent: boolean

  beforeEach(async () => {
    now = 1_700_000_000_000
    mode = { kind: 'enforce' }
    changes = []
    asked = 0
    on = new Set()
    isSilent = false
    const clock = () => now
    store = new MemoryStore({ clock })
    await store.open()
    steering = new Steering({ store: () => store, clock })
    steering.follow(store)
    const ownAddresses = { everyMs: HOUR, lists: [ZONE], addresses: new Map([['a', ['198.51.100.1']]]) }
    processes = [0, 1].map(() => {
      const own = new OwnAddresses({
        policy: () => ({ mode, ownAddresses }),
        ...{ egress: () => EGRESS, store: () => store, desk: () => steering.desk(), clock },
        ask: async (addresses) => {
          asked++
          return addresses.map((address): AddressListings => {
            const hits = !isSilent && on.has(address) ? [{ list: 'bl.test', codes: ['127.0.0.2'] }] : []
            return { address, hits, silent: isSilent ? ['bl.test'] : [] }
          })
        },
        onChange: (change) => changes.push(change),
      })
      own.follow(store)
      return own
    })
  })

  async function check(...listed: string[]): Promise<string[]> {
    on = new Set(listed)
    now += HOUR
    for (const own of processes) await own.check()
    return changes.splice(0).map(({ address, lists, then }) => `${address} ${lists.join('+')} ${then}`)
  }
  const rests = (name: string) => steering.ordersOf(`egress|${name}|google`).suspendedUntil !== undefined

  it('are looked up by one process of all each time', async () => {
    assert.deepEqual(await check(), [])
    assert.equal(asked, 1)
    await check()
    assert.equal(asked, 2)
  })

  it('have their source rest while another one of its pool is not listed, until it is off the list', async () => {
    assert.deepEqual(await check('198.51.100.1'), ['198.51.100.1 bl.test resting'])
    assert.deepEqual([rests('a'), rests('b')], [true, false])
    const [action] = steering.actions()
    assert.deepEqual([action!.path, action!.evidence], ['egress|a|*', '198.51.100.1 is on bl.test (127.0.0.2)'])
    for (const own of processes) assert.deepEqual([...own.counts], [['bl.test', 1]])
    assert.deepEqual(await check('198.51.100.1'), [])
    assert.deepEqual(
      steering.actions().map(({ id }) => id),
      [action!.id],
    )
    assert.deepEqual(await check(), ['198.51.100.1  free'])
    assert.deepEqual([rests('a'), processes[1]!.counts.size], [false, 0])
  })

  it('are told of only, where no other source could stand in', async () => {
    assert.deepEqual(await check('192.0.2.3'), ['192.0.2.3 bl.test alone'])
    assert.deepEqual(await check('192.0.2.3', '192.0.2.1'), ['192.0.2.1 bl.test resting'])
    assert.deepEqual(await check('192.0.2.3', '192.0.2.1', '192.0.2.2'), ['192.0.2.2 bl.test alone'])
    assert.deepEqual(['a', 'b', 'lone'].map(rests), [false, false, false])
  })

  it('have nobody rest in shadow, which shows it', async () => {
    mode = { kind: 'shadow' }
    assert.deepEqual(await check('192.0.2.1'), ['192.0.2.1 bl.test shadow'])
    assert.deepEqual([rests('a'), steering.actions().map((one) => one.mode)], [false, ['shadow']])
    mode = { kind: 'enforce' }
    await check('192.0.2.1')
    assert.equal(rests('a'), true)
    mode = { kind: 'off' }
    await check()
    assert.equal(asked, 2)
  })

  it('are as they were last known for a while when the list says nothing', async () => {
    await check('192.0.2.1')
    isSilent = true
    assert.deepEqual([await check(), await check()], [[], []])
    assert.equal(rests('a'), true)
    assert.deepEqual(await check(), ['192.0.2.1  free'])
    assert.equal(rests('a'), false)
  })

  it('rest for as long as they are listed, however long that is', async () => {
    await check('192.0.2.1')
    for (let hour = 0; hour < 30; hour++) {
      await check('192.0.2.1')
      assert.equal(rests('a'), true, `after ${hour} hours`)
    }
  })
})

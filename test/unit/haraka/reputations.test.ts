import assert from 'node:assert/strict'
import type { Policy } from '../../../src/config/compile'
import { meritAsk } from '../../../src/gates/reputation/merits'
import { Reputations } from '../../../src/haraka/reputations'
import { type Session, Sessions } from '../../../src/haraka/session'
import type { Connection } from '../../../src/haraka/types'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import type { Ask } from '../../../src/store/store'

const DAY = 86_400_000
const REPUTATION = { mode: { kind: 'enforce' } as const, halfLifeMs: 14 * DAY, keepMs: 60 * DAY, points: 4 }

describe('reputations of a process', () => {
  let store: MemoryStore
  let learned: Ask[]
  let reputations: Reputations
  let sessions: Sessions
  beforeEach(async () => {
    store = new MemoryStore()
    await store.open()
    learned = []
    const policy = { reputation: REPUTATION } as Policy
    const learn = (asks: readonly Ask[]) => void learned.push(...asks)
    reputations = new Reputations(
      () => policy,
      learn,
      () => store,
    )
    sessions = new Sessions(
      () => false,
      () => undefined,
      (connection, session) => reputations.end(connection, session),
    )
  })

  type Fake = Connection & { remote: { ip: string }; msg_count: { reject: number } }
  function connect(ip: string): { connection: Fake; session: Session } {
    const connection = { remote: { ip }, notes: {}, relaying: false, msg_count: { accept: 0, tempfail: 0, reject: 0 } }
    const fake = connection as unknown as Fake
    return { connection: fake, session: sessions.of(fake) }
  }

  const clientAt = (ip: string) => sessions.clientAt(ip)
  function teach(ip: string, times: number, sample: number): void {
    for (let time = 0; time < times; time++) void store.judge([meritAsk('client', ip, REPUTATION, sample)])
  }
  const samples = () =>
    learned.map((ask) => (ask.op === 'merit' ? `${ask.key} ${ask.sample}` : assert.fail(`a ${ask.op}`)))

  it('do not know whom they have not heard of, and hear it from the store', async () => {
    teach('192.0.2.1', 12, 1)
    teach('192.0.2.2', 12, -1)
    const [partner, crook, stranger] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(clientAt)
    assert.equal(reputations.isProven(partner!), undefined)
    for (const client of [partner, crook, stranger]) await reputations.hear(client!)
    assert.deepEqual(
      [partner, crook, stranger].map((client) => reputations.isProven(client!)),
      [true, false, false],
    )
  })

  it('take nobody for proven for its neighbours, and nobody for unproven either', () => {
    const { session: unknown } = connect('192.0.2.1')
    reputations.note(unknown, [
      { name: 'client', samples: 0, mean: 0 },
      { name: 'network', samples: 100, mean: 1 },
      { name: 'asn', samples: 100, mean: 1 },
    ])
    assert.ok(unknown.reputation.score > 0.3)
    assert.equal(reputations.isProven(unknown.client), false)
    const { session: partner } = connect('192.0.3.1')
    reputations.note(partner, [
      { name: 'client', samples: 10, mean: 0.9 },
      { name: 'network', samples: 100, mean: -1 },
    ])
    assert.ok(partner.reputation.score < 0.3)
    assert.equal(reputations.isProven(partner.client), true)
  })

  it('remember a client between its sessions', () => {
    const { session } = connect('192.0.2.1')
    reputations.note(session, [{ name: 'client', samples: 50, mean: 1 }])
    assert.ok(session.reputation.factor > 1)
    assert.deepEqual(reputations.knownOf(clientAt('192.0.2.1')), session.reputation)
    assert.equal(reputations.knownOf(clientAt('192.0.2.2')).factor, 1)
  })

  it('learn what a session has shown, of the client and its neighbourhood', () => {
    const { connection, session } = connect('192.0.2.1')
    session.conduct.good = 3
    connection.msg_count.reject = 1
    reputations.end(connection, session)
    assert.deepEqual(samples(), ['reputation_client|192.0.2.1 0.5', 'reputation_network|192.0.2.0/24 0.5'])
    learned = []
    const { connection: idle, session: nothing } = connect('192.0.2.2')
    reputations.end(idle, nothing)
    assert.deepEqual(learned, [])
  })

  it('hold each client of a session to what it did itself', () => {
    const { connection, session } = connect('192.0.2.1')
    session.conduct.good = 1
    session.errors = 7
    session.slow = true
    connection.msg_count.reject = 3
    // XCLIENT shows another one.
    connection.remote.ip = '198.51.100.7'
    assert.equal(sessions.of(connection), session)
    assert.deepEqual(samples(), ['reputation_client|192.0.2.1 -0.5', 'reputation_network|192.0.2.0/24 -0.5'])
    assert.deepEqual([session.client.ip, session.errors, session.slow], ['198.51.100.7', 0, false])
    learned = []
    session.conduct.good = 1
    reputations.end(connection, session)
    assert.deepEqual(samples(), ['reputation_client|198.51.100.7 1', 'reputation_network|198.51.100.0/24 1'])
  })
})

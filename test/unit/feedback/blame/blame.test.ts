import assert from 'node:assert/strict'
import { Steering } from '../../../../src/egress/steering'
import { Blame } from '../../../../src/feedback/blame/blame'
import { Classifier } from '../../../../src/feedback/classifier'
import type { Feedback } from '../../../../src/feedback/feedback'
import { Pardons } from '../../../../src/feedback/pardon'
import { release } from '../../../../src/feedback/release'
import type { Mode } from '../../../../src/policy/mode'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { AT, said } from '../said'

const HOUR = 3_600_000
const BLAME = {
  ...{ windowMs: HOUR, least: 5, share: 0.5, times: 3 },
  ...{ slow: { limit: 20, windowMs: HOUR }, pauseMs: 4 * HOUR },
}

describe('the search for whom to blame', () => {
  let now: number
  let store: MemoryStore
  let steering: Steering
  let pardons: Pardons
  let mode: Mode
  let notices: string[]
  let failures: unknown[]
  let blames: Blame[]

  beforeEach(async () => {
    ;[now, mode, notices, failures, blames] = [AT, { kind: 'enforce' }, [], [], []]
    store = new MemoryStore({ clock: () => now })
    await store.open()
    steering = new Steering({ store: () => store, clock: () => now, mode: () => mode })
    steering.follow(store)
    pardons = new Pardons(() => now)
    pardons.follow(store)
  })
  afterEach(() => blames.forEach((blame) => blame.close()))

  /** As one host of several. */
  function host(): Blame {
    const blame = new Blame({
      policy: () => ({ mode, blame: BLAME }),
      store: () => store,
      ...{ steering, pardons },
      onNotice: (message) => notices.push(message),
      onFailure: (error) => failures.push(error),
      clock: () => now,
    })
    blames.push(blame)
    return blame
  }
  const bad = (account: string) => said('deferred', {}, { origin: { account, tenant: account.split('@')[1]! } })
  const good = (account: string) =>
    said('delivered', undefined, { origin: { account, tenant: account.split('@')[1]! } })
  let numbered = 0
  /** To as many recipients. */
  const times = (count: number, one: Feedback) =>
    Array.from({ length: count }, () => ({ ...one, recipient: `r${numbered++}@far.test` }))
  async function looks(blame: Blame, answer: Feedback) {
    blame.look(answer, HOUR)
    await blame.settled()
    assert.deepEqual(failures, [])
  }
  const orders = () => steering.actions().map(({ path, kind, until, mode: how }) => [path, kind, until - now, how])

  it('finds him by what all hosts have seen, slows him down, and says why', async () => {
    const [one, other] = [host(), host()]
    one.read([...times(50, good('ann@near.test')), ...times(3, bad('eve@other.test'))])
    other.read([...times(3, bad('eve@other.test')), ...times(50, good('ann@near.test'))])
    // What the other has counted goes to the store by itself; here there is no time for it.
    await looks(other, bad('eve@other.test'))
    assert.equal(orders().length, 0, 'three alone are too few')
    now += 61_000
    await looks(one, bad('eve@other.test'))
    assert.deepEqual(orders(), [['sender|account|eve@other.test', 'rate', HOUR, 'enforce']])
    assert.match(
      steering.actions()[0]!.evidence,
      /^ours at egress\|default\|google: 6 of 6 recipients of account eve@other\.test were answered badly in 1 hour, of the others 0 of 100; 421 4\.7\.28/,
    )
  })

  it('counts a recipient of a message once, however often he is put off, and anew when the window is over', async () => {
    const blame = host()
    const [late] = times(1, bad('ann@near.test'))
    for (let tries = 0; tries < 10; tries++) blame.read([{ ...late!, at: AT + tries * 60_000 }])
    await looks(blame, late!)
    assert.deepEqual(orders(), [])
    assert.match(notices[0]!, /no single sender is to blame/)
    now += 2 * 60_000
    blame.read(times(3, bad('ann@near.test')))
    blame.read([{ ...late!, at: AT + HOUR }])
    await looks(blame, late!)
    assert.match(steering.actions()[0]!.evidence, / 5 of 5 recipients of account ann@near\.test /)
  })

  it('pauses him when it goes on, and not at once', async () => {
    const blame = host()
    blame.read(times(10, bad('eve@other.test')))
    await looks(blame, bad('eve@other.test'))
    now += 2 * 60_000
    await looks(blame, bad('eve@other.test'))
    assert.deepEqual(
      orders().map(([, kind]) => kind),
      ['rate'],
    )
    now += 4 * 60_000
    await looks(blame, bad('eve@other.test'))
    assert.deepEqual(
      orders().map(([, kind]) => kind),
      ['rate', 'suspend'],
    )
  })

  it('looks once a minute, over all hosts', async () => {
    const [one, other] = [host(), host()]
    await looks(one, bad('eve@other.test'))
    one.read(times(10, bad('eve@other.test')))
    await looks(other, bad('eve@other.test'))
    assert.deepEqual(orders(), [])
  })

  it('says that nobody alone is to blame, once an hour', async () => {
    const blame = host()
    for (const name of ['ann', 'bob', 'eve', 'joe']) blame.read(times(5, bad(`${name}@${name}.test`)))
    await looks(blame, bad('ann@ann.test'))
    now += 2 * 60_000
    await looks(blame, bad('ann@ann.test'))
    assert.deepEqual(orders(), [])
    assert.equal(notices.length, 1)
    assert.match(notices[0]!, /^egress\|default\|google: no single sender is to blame for "421 4\.7\.28/)
  })

  it('counts complaints, which come by mail', async () => {
    const blame = host()
    const complaint = said('complaint', undefined, {
      path: undefined,
      via: 'report',
      origin: { account: 'eve@x.test' },
    })
    blame.read([...times(20, good('ann@near.test')), ...times(6, complaint)])
    await looks(blame, bad('ann@near.test'))
    assert.deepEqual(
      orders().map(([path]) => path),
      ['sender|account|eve@x.test'],
    )
  })

  it('begins anew with who was let go, and leaves alone who is to be left alone', async () => {
    const blame = host()
    const rules = new Classifier([])
    const letGo = (leaveAloneMs: number) =>
      release(store, steering.desk(), rules, steering.actions(), { leaveAloneMs, clock: () => now })
    blame.read([...times(50, good('ann@near.test')), ...times(10, bad('eve@other.test'))])
    await looks(blame, bad('eve@other.test'))
    await letGo(0)
    now += 61_000
    blame.read(times(4, bad('eve@other.test')))
    await looks(blame, bad('eve@other.test'))
    assert.deepEqual(orders(), [], 'four alone are too few')
    now += 61_000
    blame.read([bad('eve@other.test')])
    await looks(blame, bad('eve@other.test'))
    assert.equal(orders().length, 1)
    await letGo(HOUR / 2)
    now += 61_000
    blame.read(times(10, bad('eve@other.test')))
    await looks(blame, bad('eve@other.test'))
    assert.deepEqual(orders(), [])
    now += HOUR / 2
    await looks(blame, bad('eve@other.test'))
    assert.equal(orders().length, 1)
  })

  it('shows in shadow what it would do, and does nothing when it is off', async () => {
    mode = { kind: 'shadow' }
    const blame = host()
    blame.read(times(10, bad('eve@other.test')))
    await looks(blame, bad('eve@other.test'))
    assert.deepEqual(
      orders().map(([, , , how]) => how),
      ['shadow'],
    )
    mode = { kind: 'off' }
    blame.read(times(10, bad('joe@third.test')))
    now += 2 * HOUR
    mode = { kind: 'enforce' }
    await looks(blame, bad('joe@third.test'))
    assert.deepEqual(orders(), [], 'nothing was counted')
  })

  it('is for paths alone', async () => {
    await looks(host(), { ...bad('eve@other.test'), path: undefined })
    assert.deepEqual(notices, [])
  })
})

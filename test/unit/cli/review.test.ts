import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Order } from '../../../src/egress/steering-action'
import { SteeringDesk } from '../../../src/egress/steering-desk'
import { noCounts } from '../../../src/feedback/guard/counting'
import { tellCounts } from '../../../src/feedback/guard/figures'
import { openStore } from '../../../src/store/open-store'
import type { Store } from '../../../src/store/store'
import { GUARD } from '../feedback/guard/guard-scene'
import { type Ran, sluice } from './command'

const HOUR = 3_600_000
const ANNS = 'sender|account|ann@example.com'

describe('sluice review', () => {
  let dir: string
  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-review-'))
    mkdirSync(path.join(dir, 'config'))
    writeFileSync(path.join(dir, 'config/sluice.yaml'), 'store: lmdb:data/sluice\n')
    await atStore(async () => undefined)
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  async function atStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const hooks = { onChange: () => undefined, onNotice: () => undefined }
    const store = openStore({ kind: 'lmdb', path: path.join(dir, 'data/sluice') }, hooks)
    await store.open()
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  }

  const order = (more: Partial<Order> = {}): Order => ({
    ...{ path: ANNS, kind: 'suspend', values: { suspended: true }, origin: 'guard', mode: 'enforce' },
    ...{ evidence: '9 of 20 recipients bounced', since: Date.now() - HOUR, until: Date.now() + HOUR, ...more },
  })
  const post = (...orders: Order[]) => atStore((store) => new SteeringDesk(store).post(orders))
  const targets = () => atStore(async (store) => (await new SteeringDesk(store).list()).map((action) => action.path))
  const run = (...args: string[]): Promise<Ran> => sluice('review', ...args, '--dir', dir)

  it('lists who is held, and not what holds for paths', async () => {
    assert.match((await run('list')).stderr, /Nobody is slowed down or paused/)
    await post(
      order(),
      order({ path: 'egress|default|google', origin: 'controller' }),
      order({
        path: 'sender|campaign|acme/spring%20sale',
        origin: 'blame',
        kind: 'rate',
        values: { messageRate: GUARD.rate },
        mode: 'shadow',
      }),
    )
    const { stdout, stderr, code } = await run('list')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /account ann@example\.com +no mail +1 h ago +60 min +guard +enforce +- +9 of 20 recipients bounced/,
    )
    assert.match(stdout, /campaign acme\/spring sale +20 in 1 hour .* blame +shadow/)
    assert.doesNotMatch(stdout, /google/)
    assert.match(stderr, /What is in shadow changes nothing/)
    const listed = JSON.parse((await run('list', '--json')).stdout) as { sender: object }[]
    assert.ok(listed.some(({ sender }) => isDeepStrictEqual(sender, { kind: 'account', name: 'ann@example.com' })))
  })

  it('lets a sender go by the id of one order or by name, from all that is ordered, and forgets his counts', async () => {
    for (const byId of [true, false]) {
      const [action] = await post(
        order(),
        order({ kind: 'rate', values: { messageRate: GUARD.rate } }),
        order({ path: 'sender|tenant|example.com' }),
      )
      await atStore((store) =>
        tellCounts(store, [{ target: ANNS, counts: { ...noCounts(), ended: 20, hard: 9 } }], GUARD),
      )
      const who = byId ? action!.id.toLowerCase() : 'Ann@example.com'
      const dry = await run('release', who, '--dry-run')
      assert.equal(dry.stdout.match(/would release account ann@example\.com/g)?.length, 2)
      assert.equal((await targets()).length, 3)
      const { stdout, stderr } = await run('release', who, '--for', '7d')
      assert.equal(stdout.match(/released account ann@example\.com/g)?.length, 2)
      assert.match(stderr, /against him for 7 d[^]*sluice egress flush/)
      assert.deepEqual(await targets(), ['sender|tenant|example.com'])
      const figures = await atStore((store) => tellCounts(store, [{ target: ANNS, counts: noCounts() }], GUARD))
      assert.deepEqual(figures, [noCounts()])
      await run('release', 'tenant:example.com')
      assert.deepEqual(await targets(), [])
    }
  })

  it('asks which one when a name is of two, and knows nobody who is not held', async () => {
    await post(order({ path: 'sender|account|acme' }), order({ path: 'sender|tenant|acme' }))
    const { code, stderr } = await run('release', 'acme')
    assert.deepEqual([code, /account acme, and tenant acme/.test(stderr)], [2, true])
    assert.equal((await run('release', 'bob@example.com')).code, 1)
  })

  it('pauses by hand, with a reason', async () => {
    assert.equal((await run('pause', 'ann@example.com')).code, 2)
    assert.equal((await run('pause', 'acme', '--reason', 'x')).code, 2)
    assert.match(
      (await run('pause', '192.0.2.7', '--reason', 'x', '--dry-run')).stdout,
      /would pause client 192\.0\.2\.7/,
    )
    assert.deepEqual(await targets(), [])
    for (const who of ['Ann@example.com', 'tenant:acme', 'campaign:acme/spring', '192.0.2.7']) {
      assert.match((await run('pause', who, '--reason', 'stolen')).stdout, /^paused \(\w+\) /)
    }
    assert.deepEqual((await targets()).sort(), [
      ANNS,
      'sender|campaign|acme/spring',
      'sender|client|192.0.2.7',
      'sender|tenant|acme',
    ])
  })

  it('is not undone by the next word when an order of the guard is cancelled', async () => {
    const [action] = await post(order())
    await atStore((store) =>
      tellCounts(store, [{ target: ANNS, counts: { ...noCounts(), ended: 20, hard: 9 } }], GUARD),
    )
    assert.equal((await sluice('egress', 'cancel', action!.id, '--dir', dir)).code, 0)
    const figures = await atStore((store) => tellCounts(store, [{ target: ANNS, counts: noCounts() }], GUARD))
    assert.deepEqual([figures, await targets()], [[noCounts()], []])
  })
})

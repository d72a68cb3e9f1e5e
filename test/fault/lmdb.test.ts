import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { LmdbStore } from '../../src/store/lmdb/lmdb-store'
import { TRUST_MS } from '../../src/store/lmdb/tenure'
import { leaseAsk, windowAsk } from '../contract/bench'
import { assertNeverMoreThan } from '../contract/intervals'
import { LmdbScene, askHourly, knownOf, modeOf, until } from '../support/lmdb-scene'
import { type Admission, hammer } from '../support/store-process'

describe('lmdb store, when things go wrong', () => {
  let scene: LmdbScene

  beforeEach(() => (scene = new LmdbScene()))
  afterEach(() => scene.end())

  /** What another process does with the registration of one that it has not heard of for long. */
  function takeAllForDead(): void {
    const environment = scene.openEnvironment()
    environment.write(1, () => {
      for (const id of [...environment.owners.getKeys()]) environment.owners.removeSync(id)
    })
  }

  describe('among processes', () => {
    it('keeps the counts of a process that was killed, and frees its leases in time', async () => {
      const remote = await scene.spawnStore()
      await remote.judge([askHourly('count', 2), leaseAsk('lease', 1, 'a', 1500)])
      // The ping has everything written down, as the next tick would have.
      await remote.ping()
      await remote.kill()
      const store = await scene.openStore()
      const { answers } = await store.judge([askHourly('count', 2)])
      assert.equal(answers[0]!.count, 1)
      const held = (await store.judge([leaseAsk('lease', 1, 'b', 1000)])).answers[0]!
      assert.equal(held.ok, false)
      await delay(held.retryAfterMs + 1)
      assert.equal((await store.judge([leaseAsk('lease', 1, 'b', 1000)])).committed, true)
      assert.equal(await modeOf(store), 'exclusive')
    })

    it('hands over all it has in memory, however much, before another may judge', async () => {
      const first = await scene.openStore()
      for (let key = 0; key < 3000; key++) void first.judge([askHourly(`k${key}`)])
      const [second, third] = await Promise.all([scene.openStore(), scene.openStore()])
      assert.equal(await knownOf(second, 3000), 3000)
      assert.equal(await knownOf(third, 10), 10)
    })

    it('loses nothing that was counted among others when a process is killed', async () => {
      const store = await scene.openStore()
      const remote = await scene.spawnStore()
      assert.equal(await modeOf(remote), 'shared')
      const admitted = await remote.hammer({ ask: askHourly('count', 100_000), forMs: 300, atOnce: 1 })
      await remote.kill()
      assert.equal((await store.judge([askHourly('count', 100_000)])).answers[0]!.count, admitted.length)
      await until(async () => (await modeOf(store)) === 'exclusive')
    })

    it('never admits too many while one works alone, among others, and alone again', async () => {
      const windows = [{ limit: 30, windowMs: 300 }]
      const hot = windowAsk('hot', windows)
      const remote = await scene.spawnStore()
      const theirs = remote.hammer({ ask: hot, forMs: 3000, atOnce: 2 })
      const ours: Admission[] = []
      const modes = new Set<unknown>()
      for (let turn = 0; turn < 4; turn++) {
        const store = await scene.openStore()
        ours.push(...(await hammer(store, { ask: hot, forMs: 200, atOnce: 2 })))
        modes.add(await modeOf(remote))
        await store.close()
        await until(async () => (await modeOf(remote)) === 'exclusive')
      }
      const all = [...ours, ...(await theirs)]
      assertNeverMoreThan(all, 30, 300)
      assert.deepEqual([...modes], ['shared'])
      assert.ok(all.length >= 30 * 8, `admitted only ${all.length}`)
    })

    it('notices before it judges from memory that it was taken for dead', async () => {
      const hot = askHourly('hot', 2)
      const sleeper = await scene.openStore({ tickMs: 60_000 })
      await sleeper.judge([hot])
      await sleeper.ping()
      takeAllForDead()
      const store = await scene.openStore()
      assert.equal((await store.judge([hot])).committed, true)
      // Longer than it trusts what it last saw; heartbeats are due far more often than others lose patience.
      await delay(TRUST_MS + 100)
      assert.equal((await sleeper.judge([hot])).committed, false)
    })

    it('notices it also when it was stopped just after it had looked', async () => {
      const hot = askHourly('hot', 1)
      const sleeper = await scene.openStore({ tickMs: 60_000 })
      // The same for all stores of this process.
      const environment = scene.openEnvironment()
      const write = environment.write.bind(environment)
      const stopped = mock.method(environment, 'write', (records: number, work: () => unknown) => {
        const result = write(records, work)
        stopped.mock.restore()
        takeAllForDead()
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TRUST_MS + 100)
        return result
      })
      // It is in memory only; the ping writes it down, and is stopped when that is done.
      await sleeper.judge([askHourly('other')])
      await sleeper.ping()
      const store = await scene.openStore()
      assert.equal((await store.judge([hot])).committed, true)
      assert.equal((await sleeper.judge([hot])).committed, false)
    })

    it('notices before it judges among others that it was taken for dead', async () => {
      const hot = askHourly('hot', 2)
      const [store, sleeper] = [await scene.openStore(), await scene.openStore({ tickMs: 60_000 })]
      await sleeper.judge([hot])
      takeAllForDead()
      await until(async () => (await modeOf(store)) === 'exclusive')
      const verdict = await store.judge([hot])
      // At once, while that count is only in the memory of the other.
      const late = sleeper.judge([hot])
      assert.equal(verdict.committed, true)
      assert.equal((await late).committed, false)
    })

    it('takes a stopped process for dead, which notices before it judges again', async () => {
      const hot = windowAsk('hot', [{ limit: 5, windowMs: 60_000 }])
      const remote = await scene.spawnStore()
      await remote.judge([hot])
      await remote.ping()
      remote.child.kill('SIGSTOP')
      const store = await scene.openStore()
      assert.equal(await modeOf(store), 'exclusive')
      for (let count = 1; count < 5; count++) assert.equal((await store.judge([hot])).answers[0]!.count, count)
      remote.child.kill('SIGCONT')
      const late = await remote.judge([hot])
      assert.deepEqual([...scene.notices, ...(await remote.notices())], [])
      assert.deepEqual(late, { ...late, committed: false, degraded: false })
      assert.equal(await modeOf(store), 'shared')
    })
  })

  describe('on a full disk', () => {
    it('goes on in memory, says so once, and writes again when there is room', async () => {
      const store = await scene.openStore()
      await store.judge([askHourly('before')])
      await store.ping()
      const full = mock.method(fs, 'writeSync', () => {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      })
      await fillUntil(store, () => scene.notices.length > 0)
      assert.match(scene.notices[0]!, /cannot be written \(ENOSPC.*\); counting in memory until it can\. Make room/)
      assert.equal((await store.judge([askHourly('during')])).committed, true)
      assert.equal((await store.judge([askHourly('during')])).committed, false)
      assert.equal((await store.judge([askHourly('before')])).committed, false)
      full.mock.restore()
      await until(async () => scene.notices.length > 1)
      assert.match(scene.notices[1]!, /can be written again/)
      await store.close()
      const again = await scene.openStore()
      assert.equal((await again.judge([askHourly('during')])).committed, false)
      assert.equal(scene.notices.length, 2)
    })

    it('opens a store that is whole, and lifts a ban', async () => {
      for (const end of ['closed', 'killed']) {
        const store = await scene.spawnStore()
        await store.post([{ key: end, text: 'why', expiresAt: 4e12 }])
        await (end === 'closed' ? store.close() : store.kill())
        const full = fillDisk()
        const again = await scene.openStore()
        assert.equal(await again.withdraw([end]), 1)
        await again.close()
        full()
      }
      assert.deepEqual(scene.notices, [])
    })

    it('leaves a doubtful file where it is until there is room to rescue it', async () => {
      await scene.leaveBehind(50)
      fs.writeFileSync(join(scene.path, 'in-use'), 'another boot')
      const { statfsSync } = fs
      const full = mock.method(fs, 'statfsSync', (path: string) => ({ ...statfsSync(path), bavail: 1 }))
      await assert.rejects(scene.openStore(), /Make room on the disk/)
      full.mock.restore()
      assert.equal((await (await scene.openStore()).list('k', 99)).length, 50)
    })

    it('counts for itself while others are there too', async () => {
      const [store, other] = [await scene.openStore(), await scene.openStore()]
      const full = mock.method(fs, 'writeSync', () => {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      })
      await fillUntil(store, () => scene.notices.length > 0)
      const verdict = await store.judge([askHourly('during')])
      assert.deepEqual([verdict.committed, verdict.degraded], [true, true])
      assert.equal((await store.judge([askHourly('during')])).committed, false)
      full.mock.restore()
      await until(async () => (await modeOf(store)) === 'shared')
      assert.equal((await other.judge([askHourly('during')])).committed, false)
    })

    it('lives on when files really cannot grow', async () => {
      const remote = await scene.spawnStore(12 * 2 ** 20)
      for (let lot = 0; (await remote.notices()).length === 0; lot++) {
        assert.ok(lot < 2000, 'the disk should be full by now')
        const asks = Array.from({ length: 64 }, (_, index) => askHourly(`${'x'.repeat(200)}${lot}:${index}`))
        assert.equal((await remote.judge(asks)).committed, true)
      }
      assert.match((await remote.notices())[0]!, /cannot be written \(EFBIG/)
      assert.equal((await remote.judge([askHourly('during')])).committed, true)
      assert.equal((await remote.judge([askHourly('during')])).committed, false)
    })
  })

  /** Nothing that takes a block of data can be written until the returned function is called. */
  function fillDisk(): () => void {
    const full = (): never => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    }
    const mocks = [mock.method(fs, 'writeSync', full), mock.method(fs, 'writeFileSync', full)]
    return () => mocks.forEach(({ mock }) => mock.restore())
  }

  /** Judges ever new keys, letting timers run in between. */
  async function fillUntil(store: LmdbStore, done: () => boolean): Promise<void> {
    for (let lot = 0; !done(); lot++) {
      assert.ok(lot < 5000, 'the disk should be full by now')
      await store.judge(Array.from({ length: 64 }, (_, index) => askHourly(`${'x'.repeat(200)}${lot}:${index}`)))
      if (lot % 20 === 0) await delay(1)
    }
  }
})

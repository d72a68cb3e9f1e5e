import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Environment } from '../../src/store/lmdb/environment'
import { LmdbStore } from '../../src/store/lmdb/lmdb-store'
import { StoreError } from '../../src/store/store'
import { leaseAsk, windowAsk } from '../contract/bench'
import { assertNeverMoreThan } from '../contract/intervals'
import { RemoteStore } from '../support/remote-store'
import { type Admission, hammer } from '../support/store-process'

describe('lmdb store, when things go wrong', () => {
  let path: string
  let notices: string[]
  const open: { close(): Promise<void> }[] = []

  async function openStore(at = path): Promise<LmdbStore> {
    const store = new LmdbStore({ path: at, flushMs: 50, onNotice: (notice) => notices.push(notice) })
    await store.open()
    open.push(store)
    return store
  }

  async function spawnStore(): Promise<RemoteStore> {
    const remote = await RemoteStore.spawn(`lmdb:${path}`)
    open.push(remote)
    return remote
  }

  const ask = (key: string, limit = 1) => windowAsk(key, [{ limit, windowMs: 3_600_000 }])
  const modeOf = async (store: LmdbStore | RemoteStore) => (await store.ping()).detail['mode']

  async function until(what: () => Promise<boolean>): Promise<void> {
    while (!(await what())) await delay(10)
  }

  /** Fills a store with keys `k0`…, each used once, and closes it. */
  async function leaveBehind(keys: number): Promise<void> {
    const store = await openStore()
    for (let key = 0; key < keys; key++) await store.judge([ask(`k${key}`)])
    await store.close()
  }

  async function knownOf(store: LmdbStore, keys: number): Promise<number> {
    let known = 0
    for (let key = 0; key < keys; key++) if (!(await store.judge([ask(`k${key}`)])).committed) known++
    return known
  }

  beforeEach(() => {
    path = fs.mkdtempSync(join(tmpdir(), 'sluice-lmdb-'))
    notices = []
  })

  afterEach(async () => {
    mock.restoreAll()
    for (const store of open.splice(0)) await store.close()
    fs.rmSync(path, { recursive: true, force: true })
  })

  describe('at the start', () => {
    it('says what, where and how to mend when the directory cannot be', async () => {
      const file = join(path, 'file')
      fs.writeFileSync(file, '')
      for (const impossible of [file, join(file, 'store')]) {
        await assert.rejects(openStore(impossible), (error) => {
          assert.ok(error instanceof StoreError)
          assert.equal(error.code, 'STORE_UNUSABLE')
          assert.ok(error.message.includes(impossible), error.message)
          assert.match(error.message, /choose another path/)
          return true
        })
      }
    })

    it('keeps the directory to its owner', async () => {
      await openStore(join(path, 'a', 'store'))
      assert.equal(fs.statSync(join(path, 'a', 'store')).mode & 0o777, 0o700)
      assert.equal(fs.statSync(join(path, 'a', 'store', 'data.mdb')).mode & 0o077, 0)
    })

    it('keeps counts over a restart', async () => {
      await leaveBehind(50)
      assert.equal(await knownOf(await openStore(), 50), 50)
      assert.deepEqual(notices, [])
    })

    const damages: Record<string, (file: string) => void> = {
      'is no database': (file) => fs.writeFileSync(file, 'x'.repeat(100_000)),
      'has a damaged first page': (file) => overwrite(file, 0, 4096),
      'is of a later version': (file) => overwrite(file, 28, 4),
      'ends within its first page': (file) => fs.truncateSync(file, 100),
    }
    for (const [damage, inflict] of Object.entries(damages)) {
      it(`sets aside a data file that ${damage}`, async () => {
        await leaveBehind(50)
        inflict(join(path, 'data.mdb'))
        const store = await openStore()
        assert.equal(await knownOf(store, 50), 0)
        assert.equal(notices.length, 1)
        assert.match(notices[0]!, /set aside as \S+data\.mdb\.corrupt-\d+T\d+Z-\d+/)
        assert.equal(fs.readdirSync(path).filter((name) => name.includes('.corrupt-')).length, 1)
      })
    }

    it('starts anew on an empty file', async () => {
      await leaveBehind(5)
      fs.truncateSync(join(path, 'data.mdb'), 0)
      assert.equal(await knownOf(await openStore(), 5), 0)
    })

    it('rescues what is readable of a data file that was cut off', async () => {
      await leaveBehind(5000)
      const file = join(path, 'data.mdb')
      const used = lastPageOf(file)
      fs.truncateSync(file, Math.floor(used / 2) * 4096)
      const store = await openStore()
      const known = await knownOf(store, 5000)
      assert.ok(known < 5000, String(known))
      assert.match(notices.join(), new RegExp(`is shorter than it says; ${known} keys carried over, the old file is`))
    })

    it('carries everything over when the host went down under an open store', async () => {
      await leaveBehind(1500)
      fs.writeFileSync(join(path, 'in-use'), 'another boot')
      const store = await openStore()
      assert.equal(await knownOf(store, 1500), 1500)
      assert.match(notices.join(), /went down; all keys carried over/)
      assert.equal(fs.readdirSync(path).filter((name) => name.includes('.corrupt-')).length, 0)
    })

    it('keeps only the latest of the files set aside', async () => {
      for (let turn = 0; turn < 5; turn++) {
        fs.writeFileSync(join(path, 'data.mdb'), 'no database')
        fs.writeFileSync(join(path, `data.mdb.corrupt-2020010${turn}T000000Z-1`), '')
        await (await openStore()).close()
      }
      assert.equal(fs.readdirSync(path).filter((name) => name.includes('.corrupt-')).length, 3)
    })

    it('takes over the lock of a process that died while opening', async () => {
      const dead = { pid: 2 ** 22 + 1, boot: '', space: '', born: '' }
      fs.writeFileSync(join(path, 'opening'), JSON.stringify(dead))
      await openStore()
    })

    it('a value that is no state is a key that starts anew', async () => {
      await leaveBehind(3)
      const environment = new Environment(path)
      environment.write(3, () => {
        environment.states.putSync('k0', Buffer.from('nonsense'))
        environment.states.putSync('k1', Buffer.alloc(0))
      })
      await environment.close()
      const store = await openStore()
      assert.equal(await knownOf(store, 3), 1)
      assert.equal((await store.list('', 10)).length, 3)
    })
  })

  describe('among processes', () => {
    it('keeps the counts of a process that was killed, and frees its leases in time', async () => {
      const remote = await spawnStore()
      await remote.judge([ask('count', 2), leaseAsk('lease', 1, 'a', 1500)])
      // The ping has everything written down, as the next tick would have.
      await remote.ping()
      await remote.kill()
      const store = await openStore()
      const { answers } = await store.judge([ask('count', 2)])
      assert.equal(answers[0]!.count, 1)
      const held = (await store.judge([leaseAsk('lease', 1, 'b', 1000)])).answers[0]!
      assert.equal(held.ok, false)
      await delay(held.retryAfterMs + 1)
      assert.equal((await store.judge([leaseAsk('lease', 1, 'b', 1000)])).committed, true)
      assert.equal(await modeOf(store), 'exclusive')
    })

    it('hands over all it has in memory, however much, before another may judge', async () => {
      const first = await openStore()
      for (let key = 0; key < 3000; key++) void first.judge([ask(`k${key}`)])
      const [second, third] = await Promise.all([openStore(), openStore()])
      assert.equal(await knownOf(second, 3000), 3000)
      assert.equal(await knownOf(third, 10), 10)
    })

    it('loses nothing that was counted among others when a process is killed', async () => {
      const store = await openStore()
      const remote = await spawnStore()
      assert.equal(await modeOf(remote), 'shared')
      const admitted = await remote.hammer({ ask: ask('count', 100_000), forMs: 300, atOnce: 1 })
      await remote.kill()
      assert.equal((await store.judge([ask('count', 100_000)])).answers[0]!.count, admitted.length)
      await until(async () => (await modeOf(store)) === 'exclusive')
    })

    it('never admits too many while one works alone, among others, and alone again', async () => {
      const windows = [{ limit: 30, windowMs: 300 }]
      const hot = windowAsk('hot', windows)
      const remote = await spawnStore()
      const theirs = remote.hammer({ ask: hot, forMs: 3000, atOnce: 2 })
      const ours: Admission[] = []
      const modes = new Set<unknown>()
      for (let turn = 0; turn < 4; turn++) {
        const store = await openStore()
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

    it('takes a stopped process for dead, which notices before it judges again', async () => {
      const hot = windowAsk('hot', [{ limit: 5, windowMs: 60_000 }])
      const remote = await spawnStore()
      await remote.judge([hot])
      await remote.ping()
      remote.child.kill('SIGSTOP')
      const store = await openStore()
      assert.equal(await modeOf(store), 'exclusive')
      for (let count = 1; count < 5; count++) assert.equal((await store.judge([hot])).answers[0]!.count, count)
      remote.child.kill('SIGCONT')
      assert.equal((await remote.judge([hot])).committed, false)
      assert.equal(await modeOf(store), 'shared')
    })
  })

  describe('on a full disk', () => {
    it('goes on in memory, says so once, and writes again when there is room', async () => {
      const store = await openStore()
      await store.judge([ask('before')])
      await store.ping()
      const full = mock.method(fs, 'writeSync', () => {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      })
      await fillUntil(store, () => notices.length > 0)
      assert.match(notices[0]!, /cannot be written \(ENOSPC.*\); counting in memory until it can\. Make room/)
      assert.equal((await store.judge([ask('during')])).committed, true)
      assert.equal((await store.judge([ask('during')])).committed, false)
      assert.equal((await store.judge([ask('before')])).committed, false)
      full.mock.restore()
      await until(async () => notices.length > 1)
      assert.match(notices[1]!, /can be written again/)
      await store.close()
      const again = await openStore()
      assert.equal((await again.judge([ask('during')])).committed, false)
      assert.equal(notices.length, 2)
    })

    it('counts for itself while others are there too', async () => {
      const [store, other] = [await openStore(), await openStore()]
      const full = mock.method(fs, 'writeSync', () => {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      })
      await fillUntil(store, () => notices.length > 0)
      const verdict = await store.judge([ask('during')])
      assert.deepEqual([verdict.committed, verdict.degraded], [true, true])
      assert.equal((await store.judge([ask('during')])).committed, false)
      full.mock.restore()
      await until(async () => (await modeOf(store)) === 'shared')
      assert.equal((await other.judge([ask('during')])).committed, false)
    })

    it('lives on when files really cannot grow', async () => {
      const remote = await RemoteStore.spawnOnSmallDisk(`lmdb:${path}`, 12 * 2 ** 20)
      open.push(remote)
      for (let lot = 0; (await remote.notices()).length === 0; lot++) {
        assert.ok(lot < 2000, 'the disk should be full by now')
        const asks = Array.from({ length: 64 }, (_, index) => ask(`${'x'.repeat(200)}${lot}:${index}`))
        assert.equal((await remote.judge(asks)).committed, true)
      }
      assert.match((await remote.notices())[0]!, /cannot be written \(EFBIG/)
      assert.equal((await remote.judge([ask('during')])).committed, true)
      assert.equal((await remote.judge([ask('during')])).committed, false)
    })
  })

  /** Judges ever new keys, letting timers run in between. */
  async function fillUntil(store: LmdbStore, done: () => boolean): Promise<void> {
    for (let lot = 0; !done(); lot++) {
      assert.ok(lot < 5000, 'the disk should be full by now')
      await store.judge(Array.from({ length: 64 }, (_, index) => ask(`${'x'.repeat(200)}${lot}:${index}`)))
      if (lot % 20 === 0) await delay(1)
    }
  }
})

function overwrite(file: string, from: number, length: number): void {
  const bytes = fs.readFileSync(file)
  bytes.fill(0xa5, from, from + length)
  fs.writeFileSync(file, bytes)
}

/** As the newer of the two meta pages says; see `data-file.ts`. */
function lastPageOf(file: string): number {
  const bytes = fs.readFileSync(file)
  const newer = bytes.readBigUInt64LE(152) > bytes.readBigUInt64LE(4096 + 152) ? 0 : 4096
  return Number(bytes.readBigUInt64LE(newer + 144))
}

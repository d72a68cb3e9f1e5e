import assert from 'node:assert/strict'
import fs from 'node:fs'
import { mock } from 'node:test'
import type { LmdbStore } from '../../src/store/lmdb/lmdb-store'
import { type BoardEntry, StoreError } from '../../src/store/store'
import { BoardEar, sorted } from '../support/board-ear'
import { LmdbScene } from '../support/lmdb-scene'

const entryOf = (key: string, text = 'why'): BoardEntry => ({ key, text, expiresAt: Date.now() + 3_600_000 })

describe('the board in lmdb, when things go wrong', () => {
  let scene: LmdbScene

  beforeEach(() => (scene = new LmdbScene()))
  afterEach(() => scene.end())

  it('keeps what a process posted that was killed', async () => {
    const store = await scene.openStore()
    const ear = new BoardEar(store)
    const remote = await scene.spawnStore()
    const entry = entryOf('a')
    await remote.post([entry])
    await remote.kill()
    await ear.posted(entry)
    await store.close()
    assert.deepEqual(await (await scene.openStore()).readBoard('', 9), [entry])
  })

  it('holds what two processes post at once', async () => {
    const [one, two] = [await scene.spawnStore(), await scene.spawnStore()]
    const entries = Array.from({ length: 400 }, (_, index) => entryOf(`k${index}`))
    await Promise.all([one.post(entries.slice(0, 250)), two.post(entries.slice(150))])
    const store = await scene.openStore()
    assert.deepEqual(sorted(await store.readBoard('', 999)), sorted(entries))
  })

  it('reads everything anew in a process that slept too long', async () => {
    const store = await scene.openStore()
    const sleeper = await scene.openStore({ tickMs: 60_000 })
    const ear = new BoardEar(sleeper)
    await store.post([entryOf('a'), entryOf('b'), entryOf('c')])
    await store.withdraw(['a'])
    const environment = scene.openEnvironment()
    const { log } = environment.openBoard()
    environment.write(9, () => {
      for (const line of [...log.getKeys()].slice(0, -1)) log.removeSync(line)
    })
    const known = await store.readBoard('', 9)
    assert.deepEqual(await sleeper.readBoard('', 9), known)
    assert.deepEqual(ear.changes.slice(1), [{ kind: 'all', entries: known }])
  })

  it('forgets the lines of its log that nobody needs', async () => {
    const store = await scene.openStore()
    const environment = scene.openEnvironment()
    const { log } = environment.openBoard()
    await store.post([entryOf('a')])
    environment.write(2, () => log.putSync(1, [Date.now() - 60_001, 'a']))
    await store.post([entryOf('b')])
    environment.refresh()
    assert.deepEqual([...log.getKeys()], [2])
  })

  it('removes what has expired from the file', async () => {
    const store = await scene.openStore()
    const environment = scene.openEnvironment()
    const { entries } = environment.openBoard()
    const brief = { ...entryOf('brief'), expiresAt: Date.now() + 100 }
    await store.post([brief, entryOf('a')])
    while (Date.now() < brief.expiresAt) await store.ping()
    await store.post([entryOf('b')])
    environment.refresh()
    assert.deepEqual([...entries.getKeys()], ['a', 'b'])
  })

  it('rejects on a full disk, heeds what it was told, and keeps it when told again', async () => {
    const store = await scene.openStore()
    const ear = new BoardEar(store)
    await store.post([entryOf('before')])
    const full = mock.method(fs, 'writeSync', () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    })
    try {
      const unkept = await postUntilFull(store)
      await ear.posted(unkept)
      assert.ok((await store.readBoard('', 99_999)).some(({ key }) => key === unkept.key))
      await assert.rejects(store.withdraw(['before']), StoreError)
      await ear.withdrawn('before')
      full.mock.restore()
      await store.post([unkept])
      assert.equal(await store.withdraw(['before']), 0)
      const other = await scene.openStore()
      assert.deepEqual(await other.readBoard(unkept.key, 9), [unkept])
      assert.deepEqual(await other.readBoard('before', 9), [])
    } finally {
      full.mock.restore()
    }
  })

  it('rejects when its directory is gone, and tells all who still have it open', async () => {
    const [store, other] = [await scene.openStore(), await scene.openStore()]
    const [ear, otherEar] = [new BoardEar(store), new BoardEar(other)]
    fs.rmSync(scene.path, { recursive: true })
    const entry = entryOf('a')
    await assert.rejects(store.post([entry]), (error) => {
      assert.ok(error instanceof StoreError)
      assert.match(error.message, /is not kept \(it was removed while in use\), and others may not know it\. Start/)
      return true
    })
    await ear.posted(entry)
    await otherEar.posted(entry)
  })

  /** Posts until it rejects, and returns the entry that was refused. */
  async function postUntilFull(store: LmdbStore): Promise<BoardEntry> {
    for (let turn = 0; turn < 5000; turn++) {
      const entry = entryOf(`k${turn}`, 'x'.repeat(2000))
      try {
        await store.post([entry])
      } catch (error) {
        assert.ok(error instanceof StoreError)
        assert.equal(error.code, 'STORE_UNUSABLE')
        assert.match(error.message, /is not kept \(ENOSPC.*Make room on the disk/)
        return entry
      }
    }
    throw new Error('the disk should be full by now')
  }
})

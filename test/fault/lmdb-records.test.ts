import assert from 'node:assert/strict'
import fs from 'node:fs'
import { mock } from 'node:test'
import { join } from 'node:path'
import type { StoredRecord } from '../../src/store/store'
import { LmdbScene } from '../support/lmdb-scene'

const recordOf = (key: string, inMs = 3_600_000): StoredRecord => ({ key, text: 'why', expiresAt: Date.now() + inMs })

describe('records in lmdb, when things go wrong', () => {
  let scene: LmdbScene
  beforeEach(() => (scene = new LmdbScene()))
  afterEach(() => scene.end())

  it('are kept that a process has put that was killed', async () => {
    const remote = await scene.spawnStore()
    const record = recordOf('a')
    await remote.put([record])
    await remote.kill()
    const store = await scene.openStore()
    assert.deepEqual((await store.records.get(['a'])).records, [record])
  })

  it('are all there that two processes put at once', async () => {
    const [one, two] = [await scene.spawnStore(), await scene.spawnStore()]
    const records = Array.from({ length: 3000 }, (_, index) => recordOf(`k${index}`))
    await Promise.all([one.put(records.slice(0, 2000)), two.put(records.slice(1000))])
    const store = await scene.openStore()
    assert.equal(await store.records.count(), 3000)
  })

  it('are carried over when the host went down', async () => {
    const store = await scene.openStore()
    const records = Array.from({ length: 300 }, (_, index) => recordOf(`k${index}`))
    await store.records.put([...records, recordOf('brief', 1)])
    await store.close()
    fs.writeFileSync(join(scene.path, 'in-use'), 'another boot')
    const again = await scene.openStore()
    assert.match(scene.notices.join(), /went down; all keys carried over/)
    assert.deepEqual((await again.records.get(records.map(({ key }) => key))).records, records)
    assert.equal(await again.records.count(), 300)
  })

  it('are found in a file from before there were any', async () => {
    await scene.leaveBehindWithoutBoard()
    const store = await scene.openStore()
    assert.deepEqual((await store.records.get(['a'])).records, [undefined])
    await store.records.put([recordOf('a')])
    assert.equal(await store.records.count(), 1)
  })

  it('are refused on a full disk, and can be read all the same', async () => {
    const store = await scene.openStore()
    const before = recordOf('before')
    await store.records.put([before])
    const full = mock.method(fs, 'writeSync', () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    })
    try {
      const fill = async () => {
        for (let lot = 0; lot < 200; lot++) {
          await store.records.put(
            Array.from({ length: 200 }, (_, index) => ({ ...before, key: `k${lot}:${index}`, text: 'x'.repeat(900) })),
          )
        }
      }
      await assert.rejects(fill(), { code: 'STORE_UNUSABLE', message: /Make room on the disk/ })
      assert.deepEqual((await store.records.get(['before'])).records, [before])
    } finally {
      full.mock.restore()
    }
    await store.records.put([recordOf('later')])
    assert.equal((await store.records.get(['later'])).records[0]?.key, 'later')
  })

  it('leave the file when they have expired', async () => {
    const store = await scene.openStore()
    const brief = Array.from({ length: 100 }, (_, index) => recordOf(`b${index}`, 50))
    await store.records.put(brief)
    while (Date.now() < brief.at(-1)!.expiresAt) await store.ping()
    await store.records.put(Array.from({ length: 60 }, (_, index) => recordOf(`k${index}`)))
    assert.equal(await store.records.count(), 60)
  })
})

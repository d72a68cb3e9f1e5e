import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { asBinary } from 'lmdb'
import type { LmdbStore } from '../../src/store/lmdb/lmdb-store'
import { StoreError } from '../../src/store/store'
import { tripletAsk } from '../contract/bench'
import { sorted } from '../support/board-ear'
import { LmdbScene, askHourly, knownOf } from '../support/lmdb-scene'

describe('lmdb store, whose files are damaged or cannot be', () => {
  let scene: LmdbScene

  beforeEach(() => (scene = new LmdbScene()))
  afterEach(() => scene.end())

  it('says what, where and how to mend when the directory cannot be', async () => {
    const file = join(scene.path, 'file')
    fs.writeFileSync(file, '')
    for (const impossible of [file, join(file, 'store')]) {
      await assert.rejects(scene.openStore({ path: impossible }), (error) => {
        assert.ok(error instanceof StoreError)
        assert.equal(error.code, 'STORE_UNUSABLE')
        assert.ok(error.message.includes(impossible), error.message)
        assert.match(error.message, /choose another path/)
        return true
      })
    }
  })

  it('keeps the directory to its owner', async () => {
    await scene.openStore({ path: join(scene.path, 'a', 'store') })
    assert.equal(fs.statSync(join(scene.path, 'a', 'store')).mode & 0o777, 0o700)
    assert.equal(fs.statSync(join(scene.path, 'a', 'store', 'data.mdb')).mode & 0o077, 0)
  })

  it('keeps counts over a restart', async () => {
    await scene.leaveBehind(50)
    assert.equal(await knownOf(await scene.openStore(), 50), 50)
    assert.deepEqual(scene.notices, [])
  })

  it('says so when one of its files cannot be opened', async () => {
    for (const name of ['data.mdb', 'lock.mdb']) {
      const path = join(scene.path, name)
      fs.mkdirSync(path)
      await assert.rejects(scene.openStore(), (error) => error instanceof StoreError && error.code === 'STORE_UNUSABLE')
      fs.rmdirSync(path)
    }
    await scene.openStore()
  })

  const damages: Record<string, (file: string) => void> = {
    'is no database': (file) => fs.writeFileSync(file, 'x'.repeat(100_000)),
    'has a damaged first page': (file) => overwrite(file, 0, 4096),
    'is of a later version': (file) => overwrite(file, 28, 4),
    'ends within its first page': (file) => fs.truncateSync(file, 100),
  }
  for (const [damage, inflict] of Object.entries(damages)) {
    it(`sets aside a data file that ${damage}`, async () => {
      await scene.leaveBehind(50)
      inflict(join(scene.path, 'data.mdb'))
      const store = await scene.openStore()
      assert.equal(await knownOf(store, 50), 0)
      assert.equal(scene.notices.length, 1)
      assert.match(scene.notices[0]!, /set aside as \S+data\.mdb\.corrupt-\d+T\d+Z-\d+/)
      assert.equal(fs.readdirSync(scene.path).filter((name) => name.includes('.corrupt-')).length, 1)
    })
  }

  it('starts anew on an empty file', async () => {
    await scene.leaveBehind(5)
    fs.truncateSync(join(scene.path, 'data.mdb'), 0)
    assert.equal(await knownOf(await scene.openStore(), 5), 0)
  })

  it('rescues what is readable of a data file that was cut off', async () => {
    await scene.leaveBehind(5000)
    const file = join(scene.path, 'data.mdb')
    const used = metaOf(file).last
    fs.truncateSync(file, Math.floor(used / 2) * 4096)
    const store = await scene.openStore()
    const known = await knownOf(store, 5000)
    assert.ok(known < 5000, String(known))
    assert.match(
      scene.notices.join(),
      new RegExp(`is shorter than it says; ${known} keys carried over, the old file is`),
    )
  })

  describe('with damaged pages inside', () => {
    const ban = { key: 'ban', text: 'why', expiresAt: 4e12 }

    beforeEach(async () => {
      const store = await scene.openStore()
      await store.post([ban])
      await store.close()
      await scene.leaveBehind(50)
    })

    const ruins: Record<string, (file: string) => void> = {
      'the list of tables': (file) => zero(file, [metaOf(file).tables]),
      'all tables': (file) => {
        const { tables, last } = metaOf(file)
        const pages = Array.from({ length: last - 1 }, (_, index) => index + 2)
        zero(
          file,
          pages.filter((page) => page !== tables),
        )
      },
    }
    for (const [where, inflict] of Object.entries(ruins)) {
      it(`sets it aside, once: ${where}`, async () => {
        inflict(join(scene.path, 'data.mdb'))
        const store = await scene.openStore()
        assert.equal(await knownOf(store, 50), 0)
        await store.close()
        assert.equal(await knownOf(await scene.openStore(), 50), 50)
        assert.equal(scene.notices.length, 1)
        assert.match(scene.notices[0]!, /is damaged \(.*MDB_.*\); 0 keys carried over, the old file is \S+\.corrupt-/)
      })
    }

    it('carries over what can be read', async () => {
      const file = join(scene.path, 'data.mdb')
      zero(file, [metaOf(file).freeList])
      await isCarriedOver(await scene.openStore(), /is damaged \(.*MDB_.*\); 50 keys carried over, the old file is/)
    })

    it('carries over what can be read when a registration is no longer one', async () => {
      const environment = scene.openEnvironment()
      environment.write(1, () => environment.owners.putSync('x', asBinary(Buffer.from('{"nonsense'))))
      await isCarriedOver(await scene.openStore(), /is damaged \(.*JSON.*\); 50 keys carried over, the old file is/)
    })

    it('carries the board over when the counts cannot be read', async () => {
      const file = join(scene.path, 'data.mdb')
      const pages = Array.from({ length: metaOf(file).last - 1 }, (_, index) => index + 2)
      const bytes = fs.readFileSync(file)
      const counts = pages.filter((page) => bytes.subarray(page * 4096, (page + 1) * 4096).includes('k49'))
      zero(file, counts)
      fs.writeFileSync(join(scene.path, 'in-use'), 'suspect')
      const store = await scene.openStore()
      assert.deepEqual(await store.readBoard('', 9), [ban])
      assert.match(scene.notices.join(), /; 0 keys carried over, the old file is/)
    })

    it('mends it once when several open it at a time', async () => {
      const file = join(scene.path, 'data.mdb')
      zero(file, [metaOf(file).freeList])
      const [store, other, remote] = await Promise.all([scene.openStore(), scene.openStore(), scene.spawnStore()])
      assert.deepEqual(await other.readBoard('', 9), [ban])
      assert.equal((await remote.judge([askHourly('new')])).committed, true)
      for (const each of [store, other]) assert.equal((await each.judge([askHourly('new')])).committed, false)
      assert.equal((await store.ping()).detail['processes'], 3)
      assert.equal([...scene.notices, ...(await remote.notices())].length, 1)
    })

    async function isCarriedOver(store: LmdbStore, notice: RegExp): Promise<void> {
      assert.equal(await knownOf(store, 50), 50)
      assert.deepEqual(await store.readBoard('', 9), [ban])
      assert.equal(scene.notices.length, 1)
      assert.match(scene.notices[0]!, notice)
    }
  })

  it('carries everything over when the host went down under an open store', async () => {
    await scene.leaveBehind(1500)
    fs.writeFileSync(join(scene.path, 'in-use'), 'another boot')
    const store = await scene.openStore()
    assert.equal(await knownOf(store, 1500), 1500)
    assert.match(scene.notices.join(), /went down; all keys carried over/)
    assert.equal(fs.readdirSync(scene.path).filter((name) => name.includes('.corrupt-')).length, 0)
  })

  it('carries over what is remembered as well', async () => {
    const store = await scene.openStore()
    await store.judge([tripletAsk('greylist|k', 3_600_000)])
    await store.close()
    fs.writeFileSync(join(scene.path, 'in-use'), 'another boot')
    const again = await scene.openStore()
    assert.match(scene.notices.join(), /went down; all keys carried over/)
    assert.deepEqual(
      (await again.list('greylist|', 9)).map(({ key, op }) => [key, op]),
      [['greylist|k', 'triplet']],
    )
  })

  it('carries the board over as well', async () => {
    const store = await scene.openStore()
    const entries = Array.from({ length: 300 }, (_, index) => ({ key: `k${index}`, text: 'why', expiresAt: 4e12 }))
    await store.post(entries)
    await store.close()
    fs.writeFileSync(join(scene.path, 'in-use'), 'another boot')
    const again = await scene.openStore()
    assert.match(scene.notices.join(), /went down; all keys carried over/)
    assert.deepEqual(sorted(await again.readBoard('', 999)), sorted(entries))
  })

  it('makes a board in a file from before there was one, also one that is to be rescued', async () => {
    for (const mark of [undefined, 'another boot']) {
      await scene.leaveBehindWithoutBoard()
      if (mark !== undefined) fs.writeFileSync(join(scene.path, 'in-use'), mark)
      const store = await scene.openStore()
      assert.equal((await store.list('', 9)).length, 1)
      const entry = { key: 'k', text: 'why', expiresAt: 4e12 }
      await store.post([entry])
      await store.close()
      const again = await scene.openStore()
      assert.deepEqual(await again.readBoard('', 9), [entry])
      await again.close()
    }
    assert.match(scene.notices.join(), /all keys carried over/)
  })

  it('keeps only the latest of the files set aside', async () => {
    for (let turn = 0; turn < 5; turn++) {
      fs.writeFileSync(join(scene.path, 'data.mdb'), 'no database')
      fs.writeFileSync(join(scene.path, `data.mdb.corrupt-2020010${turn}T000000Z-1`), '')
      await (await scene.openStore()).close()
    }
    assert.equal(fs.readdirSync(scene.path).filter((name) => name.includes('.corrupt-')).length, 3)
  })

  it('takes over the lock of a process that died while opening', async () => {
    const dead = { pid: 2 ** 22 + 1, boot: '', space: '', born: '' }
    fs.writeFileSync(join(scene.path, 'opening'), JSON.stringify(dead))
    await scene.openStore()
  })

  it('a value that is no state is a key that starts anew', async () => {
    await scene.leaveBehind(3)
    const environment = scene.openEnvironment()
    environment.write(3, () => {
      environment.states.putSync('k0', Buffer.from('nonsense'))
      environment.states.putSync('k1', Buffer.alloc(0))
    })
    const store = await scene.openStore()
    assert.equal(await knownOf(store, 3), 1)
    assert.equal((await store.list('', 10)).length, 3)
  })
})

function overwrite(file: string, from: number, length: number): void {
  const bytes = fs.readFileSync(file)
  bytes.fill(0xa5, from, from + length)
  fs.writeFileSync(file, bytes)
}

function zero(file: string, pages: readonly number[]): void {
  const bytes = fs.readFileSync(file)
  for (const page of pages) bytes.fill(0, page * 4096, (page + 1) * 4096)
  fs.writeFileSync(file, bytes)
}

/** The numbers of the root pages and of the last one, as the newer of the two meta pages says; see `data-file.ts`. */
function metaOf(file: string): { freeList: number; tables: number; last: number } {
  const bytes = fs.readFileSync(file)
  const newer = bytes.readBigUInt64LE(152) > bytes.readBigUInt64LE(4096 + 152) ? 0 : 4096
  const [freeList, tables, last] = [88, 136, 144].map((at) => Number(bytes.readBigUInt64LE(newer + at)))
  return { freeList: freeList!, tables: tables!, last: last! }
}

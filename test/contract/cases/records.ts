import assert from 'node:assert/strict'
import { MAX_KEY_LENGTH, MAX_RECORD_TEXT, type Store, type StoredRecord } from '../../../src/store/store'
import { RemoteStore } from '../../support/remote-store'
import { type Bench, MOST_RECORDS } from '../bench'

export function describeRecords(bench: Bench): void {
  describe('records', () => {
    const recordOf = (key: string, text = 'why', inMs = 60_000): StoredRecord => ({
      key,
      text,
      expiresAt: bench.now() + inMs,
    })
    const get = async (keys: readonly string[], store: Store = bench.store) => (await store.records.get(keys)).records
    const many = (count: number, prefix = 'm:') =>
      Array.from({ length: count }, (_, index) => recordOf(`${prefix}${String(index).padStart(5, '0')}`))

    /** All pages, in whatever order; what comes twice once. */
    async function all(prefix = '', most = 100, store = bench.store): Promise<StoredRecord[]> {
      const found = new Map<string, StoredRecord>()
      let cursor: string | undefined
      for (let page = 0; page < 1000; page++) {
        const { records, cursor: following } = await store.records.scan(prefix, cursor, most)
        for (const record of records) found.set(record.key, record)
        if (following === undefined) return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
        cursor = following
      }
      throw new Error('a thousand pages, and still more')
    }

    it('are found by key, in the order that was asked for', async () => {
      const [a, b] = [recordOf('a'), recordOf('b')]
      await bench.store.records.put([a, b])
      assert.deepEqual(await bench.store.records.get(['b', 'none', 'a', 'b']), {
        records: [b, undefined, a, b],
        degraded: false,
      })
      assert.deepEqual(await get([]), [])
      const later = recordOf('a', 'again', 90_000)
      await bench.store.records.put([later])
      await bench.store.records.put([])
      assert.deepEqual(await get(['a']), [later])
      assert.equal(await bench.store.records.count(), 2)
    })

    it('keep odd keys and texts as they are, and whole milliseconds', async () => {
      const odd = [
        recordOf('{a}*[b]\\ "c" ~', '"\n\t\0 ß 😀 \\u0000 % 17 '),
        recordOf('k'.repeat(MAX_KEY_LENGTH), 'ü'.repeat(MAX_RECORD_TEXT)),
        recordOf('empty', ''),
      ]
      await bench.store.records.put(odd)
      assert.deepEqual(await get(odd.map(({ key }) => key)), odd)
      assert.deepEqual(await all('{a}*['), [odd[0]])
      const expiresAt = bench.now() + 60_000
      await bench.store.records.put([
        { key: 'half', text: '', expiresAt: expiresAt - 0.5 },
        { key: 'late', text: '', expiresAt: Number.MAX_VALUE },
      ])
      assert.deepEqual(
        (await get(['half', 'late'])).map((record) => record?.expiresAt),
        [expiresAt, 2 ** 48 - 1],
      )
    })

    it('refuse what is none, with all that came with it', async () => {
      const bad: StoredRecord[] = [
        { ...recordOf('k'), expiresAt: Infinity },
        { ...recordOf('k'), expiresAt: NaN },
        recordOf(''),
        recordOf('ü'),
        recordOf('a\nb'),
        recordOf('k'.repeat(MAX_KEY_LENGTH + 1)),
        recordOf('k', 'x'.repeat(MAX_RECORD_TEXT + 1)),
      ]
      for (const record of bad) await assert.rejects(bench.store.records.put([recordOf('good'), record]), RangeError)
      await assert.rejects(async () => bench.store.records.get(['']), RangeError)
      await assert.rejects(bench.store.records.remove(['ü']), RangeError)
      assert.deepEqual(await all(), [])
    })

    it('are kept no longer than they say', async () => {
      await bench.store.records.put([recordOf('brief', '', 200), recordOf('long')])
      assert.ok((await get(['brief']))[0])
      await bench.pass(201)
      assert.deepEqual(
        (await get(['brief', 'long'])).map((record) => record?.key),
        [undefined, 'long'],
      )
      assert.deepEqual(
        (await all()).map(({ key }) => key),
        ['long'],
      )
      assert.equal(await bench.store.records.remove(['brief']), 0)
    })

    it('give way to one of the same key that has expired already', async () => {
      await bench.store.records.put([recordOf('k'), recordOf('other')])
      await bench.store.records.put([recordOf('k', 'over', -1)])
      assert.deepEqual(await get(['k']), [undefined])
      assert.equal((await all()).length, 1)
    })

    it('go when they are removed, and it is said how many were there', async () => {
      await bench.store.records.put(many(3))
      assert.equal(await bench.store.records.remove(['m:00000', 'm:00001', 'unknown']), 2)
      assert.equal(await bench.store.records.remove(['m:00000']), 0)
      assert.equal(await bench.store.records.remove([]), 0)
      assert.deepEqual(
        (await all()).map(({ key }) => key),
        ['m:00002'],
      )
      assert.equal(await bench.store.records.count(), 1)
    })

    it('are listed page by page, each once, those of a prefix only', async () => {
      const [one, other] = [many(450, 'one:'), many(40, 'other:')]
      await bench.store.records.put([...other, ...one])
      assert.deepEqual(await all('one:', 50), one)
      assert.deepEqual(await all('other:', 7), other)
      assert.equal((await all('', 1000)).length, 490)
      assert.deepEqual(await all('o*'), [])
    })

    it('are all listed that are there all the time, whatever comes and goes meanwhile', async () => {
      const kept = many(300, 'kept:')
      await bench.store.records.put([...kept, ...many(100, 'goes:')])
      const found = new Set<string>()
      let cursor: string | undefined
      let page = 0
      do {
        const read = await bench.store.records.scan('', cursor, 20)
        for (const { key } of read.records) found.add(key)
        cursor = read.cursor
        await bench.store.records.remove(many(10, 'goes:').map(({ key }) => key.replace(/\d$/, String(page % 10))))
        await bench.store.records.put([recordOf(`comes:${page++}`)])
      } while (cursor !== undefined && page < 200)
      assert.deepEqual(
        kept.filter(({ key }) => !found.has(key)),
        [],
      )
    })

    it('are bounded: a full store takes no new one, keeps what it has, and may change and remove that', async () => {
      const records = many(MOST_RECORDS)
      await bench.store.records.put(records)
      await assert.rejects(bench.store.records.put([recordOf('more')]), { code: 'STORE_FULL', message: /max_records/ })
      assert.equal((await all('m:', 200)).length, MOST_RECORDS)
      const changed = recordOf('m:00000', 'changed')
      await bench.store.records.put([changed])
      assert.deepEqual(await get(['m:00000', 'more']), [changed, undefined])
      await bench.store.records.remove(['m:00001'])
      await bench.store.records.put([recordOf('more')])
      assert.equal((await get(['more']))[0]?.key, 'more')
    })

    it('make room when they have expired', async () => {
      const brief = Array.from({ length: MOST_RECORDS }, (_, index) => recordOf(`b:${index}`, '', 1500))
      await bench.store.records.put(brief)
      await bench.pass(1501)
      await bench.store.records.put(many(MOST_RECORDS / 2))
      assert.equal((await all('', 200)).length, MOST_RECORDS / 2)
      assert.ok((await bench.store.records.count()) <= MOST_RECORDS)
    })

    it('are taken from many callers at once', async () => {
      const lots = Array.from({ length: 20 }, (_, lot) => many(20, `lot${lot}:`))
      await Promise.all(lots.map((lot) => bench.store.records.put(lot)))
      assert.equal((await all()).length, 400)
    })

    it('are nobody else’s keys', async () => {
      await bench.store.records.put([recordOf('k')])
      assert.deepEqual(await bench.store.list('', 10), [])
      assert.deepEqual(await bench.store.readBoard('', 10), [])
      await bench.store.reset(['k'])
      assert.equal((await all()).length, 1)
    })

    it('cannot be used once the store is closed', async () => {
      const { records } = bench.store
      await bench.store.close()
      await assert.rejects(records.put([recordOf('k')]), { code: 'STORE_CLOSED' })
      await assert.rejects(async () => records.get(['k']), { code: 'STORE_CLOSED' })
      await assert.rejects(records.remove(['k']), { code: 'STORE_CLOSED' })
      await assert.rejects(async () => records.scan('', undefined, 1), { code: 'STORE_CLOSED' })
    })

    if (bench.harness.again) {
      it('are the same for all handles, and still there when all were closed', async () => {
        const other = await bench.again()
        const [a, b] = [recordOf('a'), recordOf('b')]
        await bench.store.records.put([a])
        assert.deepEqual(await get(['a'], other), [a])
        await other.records.put([b])
        assert.deepEqual(await get(['a', 'b']), [a, b])
        await bench.store.records.remove(['a'])
        assert.deepEqual(await get(['a'], other), [undefined])
        await other.close()
        await bench.store.close()
        const later = await bench.again()
        assert.deepEqual(await get(['a', 'b'], later), [undefined, b])
        assert.deepEqual(await all('', 10, later), [b])
      })
    }

    if (bench.harness.processSpec) {
      it('are the same for all processes', async () => {
        const [a, b] = [recordOf('a'), recordOf('b')]
        await bench.store.records.put([a])
        const remote = await RemoteStore.spawn(bench.harness.processSpec!())
        try {
          assert.deepEqual(await remote.get(['a', 'b']), { records: [a, undefined], degraded: false })
          await remote.put([b])
          assert.deepEqual(await get(['b']), [b])
          assert.equal(await remote.remove(['a']), 1)
          assert.deepEqual(await get(['a']), [undefined])
          await remote.kill()
          assert.deepEqual(await get(['b']), [b])
        } finally {
          await remote.close()
        }
      })
    }
  })
}

import assert from 'node:assert/strict'
import { type BoardChange, type BoardEntry, MAX_BOARD_TEXT, MAX_KEY_LENGTH, type Store } from '../../../src/store/store'
import { RemoteStore } from '../../support/remote-store'
import { BoardEar, sorted } from '../../support/board-ear'
import { type Bench, MOST_ON_BOARD } from '../bench'

export function describeBoard(bench: Bench): void {
  describe('the board', () => {
    const entryOf = (key: string, text = 'why', inMs = 60_000): BoardEntry => ({
      key,
      text,
      // The clock of a store that lives on virtual time is far behind.
      expiresAt: bench.now() + inMs,
    })
    const all = (store: Store): Promise<BoardEntry[]> => store.readBoard('', 1000)

    it('holds what was posted, in place of what had the same key', async () => {
      const [a, b] = [entryOf('ban:a'), entryOf('ban:b')]
      await bench.store.post([a, b, entryOf('other')])
      const later = entryOf('ban:a', 'again', 90_000)
      await bench.store.post([later])
      assert.deepEqual(sorted(await bench.store.readBoard('ban:', 10)), [later, b])
      assert.equal((await bench.store.readBoard('', 2)).length, 2)
      assert.deepEqual(await bench.store.readBoard('ban:*', 10), [])
      await bench.store.post([])
      assert.equal((await all(bench.store)).length, 3)
    })

    it('keeps odd keys and texts as they are', async () => {
      const odd = [
        { ...entryOf('{a}*[b]\\ "c" ~', '"\n\t\0 ß 😀 \\u0000 %'), expiresAt: bench.now() + 60_000.5 },
        entryOf('k'.repeat(MAX_KEY_LENGTH), 'ü'.repeat(MAX_BOARD_TEXT)),
        { key: 'p', text: '', expiresAt: Number.MAX_VALUE },
      ]
      const ear = new BoardEar(bench.store)
      await ear.opened()
      await bench.store.post(odd)
      assert.deepEqual(sorted(await all(bench.store)), sorted(odd))
      for (const entry of odd) await ear.posted(entry)
    })

    it('refuses an entry that is none, with all that came with it', async () => {
      const bad: BoardEntry[] = [
        { ...entryOf('k'), expiresAt: Infinity },
        { ...entryOf('k'), expiresAt: NaN },
        entryOf(''),
        entryOf('ü'),
        entryOf('a\nb'),
        entryOf('k'.repeat(MAX_KEY_LENGTH + 1)),
        entryOf('k', 'x'.repeat(MAX_BOARD_TEXT + 1)),
      ]
      for (const entry of bad) await assert.rejects(bench.store.post([entryOf('good'), entry]), RangeError)
      await assert.rejects(bench.store.withdraw(['']), RangeError)
      assert.deepEqual(await all(bench.store), [])
    })

    it('holds nothing longer than it says', async () => {
      await bench.store.post([entryOf('brief', '', 200), entryOf('long')])
      await bench.pass(201)
      assert.deepEqual(
        (await all(bench.store)).map(({ key }) => key),
        ['long'],
      )
      assert.equal(await bench.store.withdraw(['brief']), 0)
    })

    it('does not put up what has expired, which takes the place of its key all the same', async () => {
      const ear = new BoardEar(bench.store)
      await ear.opened()
      await bench.store.post([entryOf('k'), entryOf('end')])
      await bench.store.post([entryOf('k', 'over', -1)])
      await ear.withdrawn('k')
      assert.deepEqual(
        (await all(bench.store)).map(({ key }) => key),
        ['end'],
      )
    })

    it('gives up what is withdrawn, and says how much was there', async () => {
      const ear = new BoardEar(bench.store)
      await ear.opened()
      await bench.store.post([entryOf('a'), entryOf('b'), entryOf('c')])
      assert.equal(await bench.store.withdraw(['a', 'b', 'unknown']), 2)
      assert.equal(await bench.store.withdraw(['a']), 0)
      assert.equal(await bench.store.withdraw([]), 0)
      await ear.withdrawn('b')
      assert.deepEqual(
        (await all(bench.store)).map(({ key }) => key),
        ['c'],
      )
    })

    it('tells who listens of everything, and then of each change once, in order', async () => {
      const [before, a, b] = [entryOf('before'), entryOf('a'), entryOf('b')]
      await bench.store.post([before])
      const ear = new BoardEar(bench.store)
      await ear.opened()
      assert.deepEqual(ear.changes.splice(0), [{ kind: 'all', entries: [before] }])
      await bench.store.post([a])
      await bench.store.post([b])
      await bench.store.withdraw(['a'])
      await bench.store.post([entryOf('end')])
      await ear.heard((change) => change.kind === 'posted' && change.entry.key === 'end')
      assert.deepEqual(ear.changes.slice(0, -1), [
        { kind: 'posted', entry: a },
        { kind: 'posted', entry: b },
        { kind: 'withdrawn', key: 'a' },
      ])
    })

    it('is bounded: the soonest to expire go, and who listens hears of it', async () => {
      const ear = new BoardEar(bench.store)
      await ear.opened()
      const entries = Array.from({ length: MOST_ON_BOARD }, (_, index) =>
        entryOf(`k${index}`, '', 60_000 + ((index * 7) % MOST_ON_BOARD) * 1000),
      )
      await bench.store.post(entries)
      await bench.store.post([entryOf('more', '', 300_000), entryOf('most', '', 300_000)])
      const inOrder = [...entries].sort((x, y) => x.expiresAt - y.expiresAt)
      for (const { key } of inOrder.slice(0, 2)) await ear.withdrawn(key)
      const left = await all(bench.store)
      assert.deepEqual(
        left.map(({ key }) => key).sort(),
        [...inOrder.slice(2).map(({ key }) => key), 'more', 'most'].sort(),
      )
      assert.equal(ear.changes.filter(({ kind }) => kind === 'withdrawn').length, 2)
      await bench.store.post([entryOf('too soon', '', 1000)])
      assert.equal((await all(bench.store)).length, MOST_ON_BOARD)
      assert.deepEqual(await bench.store.readBoard('too', 1), [])
    })

    it('cannot be used once the store is closed', async () => {
      await bench.store.close()
      await assert.rejects(bench.store.post([entryOf('k')]), { code: 'STORE_CLOSED' })
      await assert.rejects(bench.store.withdraw(['k']), { code: 'STORE_CLOSED' })
    })

    if (bench.harness.again) {
      it('is one for all handles', async () => {
        const ear = new BoardEar(bench.store)
        await ear.opened()
        const a = entryOf('a')
        await bench.store.post([a])
        const other = await bench.again()
        const otherEar = new BoardEar(other)
        await otherEar.opened()
        assert.deepEqual(otherEar.changes.splice(0), [{ kind: 'all', entries: [a] }])
        const b = entryOf('b')
        await other.post([b])
        await ear.posted(b)
        await bench.store.withdraw(['a'])
        await otherEar.withdrawn('a')
        assert.deepEqual(otherEar.changes, [
          { kind: 'posted', entry: b },
          { kind: 'withdrawn', key: 'a' },
        ])
        assert.equal(ear.changes.filter(({ kind }) => kind === 'posted').length, 2)
        assert.deepEqual(await all(bench.store), [b])
      })
    }

    if (bench.harness.processSpec) {
      it('is one for all processes', async () => {
        const [a, b] = [entryOf('a'), entryOf('b')]
        await bench.store.post([a])
        const ear = new BoardEar(bench.store)
        await ear.opened()
        const remote = await RemoteStore.spawn(bench.harness.processSpec!())
        try {
          assert.deepEqual(await heardBy(remote), { kind: 'all', entries: [a] })
          await remote.post([b])
          await ear.posted(b)
          assert.deepEqual(await heardBy(remote), { kind: 'posted', entry: b })
          await bench.store.withdraw(['b'])
          assert.deepEqual(await heardBy(remote), { kind: 'withdrawn', key: 'b' })
          assert.equal(await remote.withdraw(['a', 'b']), 1)
          await ear.withdrawn('a')
          assert.deepEqual(await all(bench.store), [])
        } finally {
          await remote.close()
        }
      })
    }
  })
}

/** The only thing heard there since the last time, once there is any. */
async function heardBy(remote: RemoteStore): Promise<BoardChange> {
  let changes: BoardChange[] = []
  while (changes.length === 0) changes = await remote.heard()
  assert.equal(changes.length, 1)
  return changes[0]!
}

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Board, checkEntries } from '../../../src/store/board'
import type { BoardEntry } from '../../../src/store/store'

describe('Board', () => {
  let now: number
  const clock = (): number => now
  const entryOf = (key: string, expiresAt: number, text = ''): BoardEntry => ({ key, text, expiresAt })
  const keysOf = (board: Board): string[] =>
    board
      .read()
      .map(({ key }) => key)
      .sort()

  beforeEach(() => (now = 1000))

  it('says what became of what was put up', () => {
    const board = new Board(clock)
    const [a, b] = [entryOf('a', 2000), entryOf('b', 3000)]
    assert.deepEqual(board.put([a, b]), [
      { kind: 'posted', entry: a },
      { kind: 'posted', entry: b },
    ])
    assert.deepEqual(board.put([a]), [], 'nothing has changed')
    const later = entryOf('a', 4000)
    assert.deepEqual(board.put([entryOf('a', 2500, 'between'), later]), [{ kind: 'posted', entry: later }])
    assert.deepEqual(board.put([entryOf('b', 999), entryOf('new', 1000)]), [{ kind: 'withdrawn', key: 'b' }])
    assert.deepEqual(keysOf(board), ['a'])
  })

  it('keeps its own copy of what it was given', () => {
    const board = new Board(clock)
    const entry = { key: 'a', text: 'mine', expiresAt: 2000, more: 'of no concern' }
    board.put([entry])
    entry.text = 'changed'
    assert.deepEqual(board.read(), [entryOf('a', 2000, 'mine')])
  })

  it('takes off only what is live', () => {
    const board = new Board(clock)
    board.put([entryOf('a', 2000), entryOf('brief', 1500)])
    now = 1500
    assert.deepEqual(board.remove(['a', 'brief', 'unknown', 'a']), [{ kind: 'withdrawn', key: 'a' }])
    assert.equal(board.size, 0)
  })

  it('makes room by what expires soonest, also when that is what came', () => {
    const board = new Board(clock, 2)
    board.put([entryOf('a', 3000), entryOf('b', 2000)])
    assert.deepEqual(board.put([entryOf('c', 4000)]), [
      { kind: 'posted', entry: entryOf('c', 4000) },
      { kind: 'withdrawn', key: 'b' },
    ])
    assert.deepEqual(board.put([entryOf('soon', 1500)]), [])
    assert.deepEqual(keysOf(board), ['a', 'c'])
  })

  it('tells nobody that what has expired made room', () => {
    const board = new Board(clock, 2)
    board.put([entryOf('a', 1500), entryOf('b', 5000)])
    now = 2000
    assert.deepEqual(board.put([entryOf('c', 4000)]), [{ kind: 'posted', entry: entryOf('c', 4000) }])
    assert.deepEqual(keysOf(board), ['b', 'c'])
  })

  it('forgets what has expired when it is told to, in time and number', () => {
    const board = new Board(clock)
    board.put([entryOf('a', 1200), entryOf('b', 1100), entryOf('c', 1300), entryOf('d', 9000)])
    board.put([entryOf('b', 9000)])
    now = 2000
    assert.deepEqual(keysOf(board), ['b', 'd'])
    assert.equal(board.size, 4)
    assert.deepEqual(board.prune(1), ['a'])
    assert.deepEqual(board.prune(9), ['c'])
    assert.deepEqual(board.prune(9), [])
    board.remove(['b', 'd'])
    assert.deepEqual(board.prune(9), [])
  })

  it('holds just what it was given in place of everything', () => {
    const board = new Board(clock, 2)
    board.put([entryOf('a', 2000)])
    board.replace([entryOf('c', 5000), entryOf('b', 4000)])
    assert.deepEqual(keysOf(board), ['b', 'c'])
    board.put([entryOf('d', 6000)])
    assert.deepEqual(keysOf(board), ['c', 'd'])
  })

  it('reads by prefix, at most so many', () => {
    const board = new Board(clock)
    board.put([entryOf('a:1', 2000), entryOf('a:2', 2000), entryOf('b:1', 2000)])
    assert.equal(board.read('a:', 9).length, 2)
    assert.equal(board.read('a:', 1).length, 1)
    assert.equal(board.read('a:', 0).length, 0)
    assert.equal(board.read('', 9).length, 3)
  })

  it('holds what a plain list would, whatever comes', () => {
    const step = fc.oneof(
      fc.record({ put: fc.array(fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 500 })), { maxLength: 3 }) }),
      fc.record({ remove: fc.nat(9) }),
      fc.record({ passMs: fc.nat(100) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const at = { now: 1000 }
        const board = new Board(() => at.now, 4)
        let model = new Map<string, number>()
        // No two expire at once, so that it is clear which goes first.
        let turn = 0
        for (const each of steps) {
          if ('passMs' in each) at.now += each.passMs
          else if ('remove' in each) {
            board.remove([`k${each.remove}`])
            model.delete(`k${each.remove}`)
          } else {
            const entries = each.put.map(([key, inMs]) => entryOf(`k${key}`, at.now + inMs + ++turn / 1000))
            for (const { key, expiresAt } of entries) model.set(key, expiresAt)
            board.prune(9)
            board.put(entries)
          }
          const live = [...model].filter(([, expiresAt]) => expiresAt > at.now).sort(([, a], [, b]) => b - a)
          model = new Map(live.slice(0, 4))
          assert.deepEqual(keysOf(board), [...model.keys()].sort())
        }
      }),
    )
  })

  it('does not grow with what is posted again and again', () => {
    const board = new Board(clock)
    for (let turn = 0; turn < 5000; turn++) board.put([entryOf('k', 2000 + turn)])
    const { heap } = board as unknown as { heap: unknown[] }
    assert.ok(heap.length < 100, String(heap.length))
  })
})

describe('checkEntries', () => {
  it('says what is wrong', () => {
    const good: BoardEntry = { key: 'k', text: 't', expiresAt: 1 }
    checkEntries([good])
    assert.throws(
      () => checkEntries([good, { ...good, key: 'ü' }]),
      /"ü" is no key: it must be 1 to 300 printable ASCII/,
    )
    assert.throws(() => checkEntries([{ ...good, text: 'x'.repeat(2001) }]), /the text of k has 2001 characters/)
    assert.throws(() => checkEntries([{ ...good, expiresAt: NaN }]), /k must expire at some time, not at NaN/)
  })
})

import assert from 'node:assert/strict'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { OutageBoard } from '../../../../src/store/redis/outage-board'
import type { BoardChange, BoardEntry } from '../../../../src/store/store'

const NOW = 1_700_000_000_000
const entryOf = (key: string, text = 'why', inMs = 60_000): BoardEntry => ({ key, text, expiresAt: NOW + inMs })
const all = (...entries: BoardEntry[]): BoardChange => ({ kind: 'all', entries })
const lost = (...entries: BoardEntry[]): BoardChange => ({ kind: 'all', entries, lost: true })

describe('OutageBoard, when the shared store has lost what it had', () => {
  let now: number
  let board: OutageBoard
  let shared: MemoryStore
  let notices: string[]
  let heard: BoardChange[]

  beforeEach(() => {
    now = NOW
    notices = []
    heard = []
    board = new OutageBoard(
      () => now,
      (message) => notices.push(message),
    )
    shared = new MemoryStore({ clock: () => now })
    board.listeners.add((change) => heard.push(change))
  })

  const keysOf = (entries: readonly BoardEntry[]) => entries.map(({ key }) => key).sort()

  it('keeps what is still live, says so once, and posts it again', async () => {
    board.hear(all(entryOf('a'), entryOf('b'), entryOf('brief', '', 1000)))
    now += 1000
    board.hear(lost(entryOf('b', 'theirs'), entryOf('c')))
    const kept = [entryOf('b', 'theirs'), entryOf('c'), entryOf('a')]
    assert.deepEqual(heard[1], all(...kept), 'nobody is let in meanwhile')
    assert.deepEqual(notices, [
      'the shared store has lost what was posted on its board: 1 entry that is still in force, such as a ban, is posted again',
    ])
    assert.equal(board.settled, false)
    await board.send(shared)
    assert.deepEqual(await shared.readBoard('', 9), [entryOf('a')])
    assert.equal(board.settled, true)
    board.hear(all(...kept))
    assert.deepEqual(heard[2], all(...kept))
  })

  it('says nothing when nothing was lost, and forgets what others withdrew', () => {
    board.hear(all(entryOf('a')))
    board.hear(lost(entryOf('a')))
    assert.deepEqual([board.settled, notices], [true, []])
    board.hear(all())
    assert.deepEqual(board.read('', 9), [])
  })

  it('posts nothing again of which something was heard or done since', async () => {
    board.hear(all(entryOf('by us'), entryOf('by others'), entryOf('unbanned'), entryOf('read'), entryOf('lost')))
    board.hear(lost())
    board.hear({ kind: 'posted', entry: entryOf('by others', 'later') })
    board.hear({ kind: 'withdrawn', key: 'unbanned' })
    board.forgetWaiting(['by us'])
    board.hear(all(entryOf('by others', 'later'), entryOf('read', 'later')))
    assert.deepEqual(keysOf(board.read('', 9)), ['by others', 'lost', 'read'])
    await board.send(shared)
    assert.deepEqual(await shared.readBoard('', 9), [entryOf('lost')])
  })

  it('lets what is changed here meanwhile stand above what was lost', async () => {
    board.hear(all(entryOf('gone'), entryOf('changed')))
    board.hear(lost())
    board.withdraw(['gone'])
    board.post([entryOf('changed', 'later')])
    await board.send(shared)
    assert.deepEqual(await shared.readBoard('', 9), [entryOf('changed', 'later')])
  })

  it('sends a long list in parts, and waits on with what could not be sent', async () => {
    const entries = Array.from({ length: 7000 }, (_, index) => entryOf(`k${index}`))
    board.hear(all(...entries))
    board.hear(lost())
    await board.send(shared)
    const first = (await shared.readBoard('', 9999)).length
    assert.ok(first >= 1000 && first < 7000, String(first))
    const failing = Object.assign(Object.create(shared) as MemoryStore, {
      post: async () => Promise.reject(new Error('gone')),
    })
    await assert.rejects(board.send(failing), /gone/)
    while (!board.settled) await board.send(shared)
    assert.equal((await shared.readBoard('', 9999)).length, 7000)
  })
})

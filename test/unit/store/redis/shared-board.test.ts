import assert from 'node:assert/strict'
import type { BoardStep } from '../../../../src/store/board'
import { encodeSteps } from '../../../../src/store/redis/board-wire'
import type { Channels, Member } from '../../../../src/store/redis/channels'
import type { RedisClient } from '../../../../src/store/redis/connect'
import { SharedBoard } from '../../../../src/store/redis/shared-board'
import { type BoardChange, type BoardEntry, StoreError } from '../../../../src/store/store'

const entryOf = (key: string, text = 'why'): BoardEntry => ({ key, text, expiresAt: 5000 })
const posted = (key: string, text?: string): BoardStep => ({ kind: 'posted', entry: entryOf(key, text) })
const withdrawn = (key: string): BoardStep => ({ kind: 'withdrawn', key })

/** A Redis whose answers the test gives, part by part, and whose messages arrive when the test says so. */
class FakeRedis {
  number = 0
  member: Member | undefined
  /** Parts of the hash that were asked for and are not answered yet. */
  readonly asked: { answer(cursor: string, ...entries: BoardEntry[]): void; fail(): void }[] = []
  /** Runs the script: says what it was called, and answers. */
  run: (name: string) => Promise<[number, number]> = async () => [0, 1]
  private wake: (() => void) | undefined

  readonly channels = { subscribed: true, join: (_: string, member: Member) => (this.member = member) }
  readonly client = {
    get: async () => String(this.number),
    time: async () => ['1', '0'],
    hscan: () =>
      new Promise((resolve, reject) => {
        this.asked.push({
          answer: (cursor, ...entries) =>
            resolve([cursor, entries.flatMap(({ key, text, expiresAt }) => [key, `${expiresAt} ${text}`])]),
          fail: () => reject(new StoreError('STORE_UNREACHABLE', 'gone')),
        })
        this.wake?.()
      }),
  }

  /** The next part that is asked for. */
  async nextPart() {
    if (this.asked.length === 0) await new Promise<void>((resolve) => (this.wake = resolve))
    return this.asked.shift()!
  }

  publish(number: number, name: string, ...steps: BoardStep[]): void {
    this.number = number
    this.member!.receive(`${number} ${name} ${JSON.stringify(encodeSteps(steps))}`)
  }
}

describe('SharedBoard', () => {
  let redis: FakeRedis
  let board: SharedBoard
  let changes: BoardChange[]

  beforeEach(() => {
    redis = new FakeRedis()
    changes = []
    board = new SharedBoard({
      channels: redis.channels as unknown as Channels,
      prefix: 'board',
      ownId: 'me',
      most: 9,
      run: (_script, _keys, args) => redis.run(args[1]!),
      ask: (question) => question(redis.client as unknown as RedisClient),
    })
  })

  afterEach(() => board.close())

  /** Has it read everything, as at the start. */
  async function open(...entries: BoardEntry[]): Promise<void> {
    board.listen((change) => changes.push(change))
    const part = await redis.nextPart()
    part.answer('0', ...entries)
    await board.opened()
    assert.deepEqual(changes.splice(0), [{ kind: 'all', entries }])
  }

  it('loses nothing that is heard while it reads, whatever the parts say', async () => {
    board.listen((change) => changes.push(change))
    const first = await redis.nextPart()
    redis.publish(1, 'other', posted('c'), withdrawn('a'))
    first.answer('7', entryOf('a'), entryOf('b', 'old'))
    const second = await redis.nextPart()
    redis.publish(2, 'other', posted('b', 'new'))
    second.answer('0', entryOf('d'))
    await board.opened()
    assert.deepEqual(changes, [{ kind: 'all', entries: [entryOf('b', 'new'), entryOf('d'), entryOf('c')] }])
    redis.publish(3, 'other', posted('e'))
    assert.deepEqual(changes.slice(1), [posted('e')])
  })

  it('tells nothing of expired entries, and reads nothing when nobody listens', async () => {
    redis.member!.subscribed!()
    await board.opened()
    assert.equal(redis.asked.length, 0)
    board.listen((change) => changes.push(change))
    const part = await redis.nextPart()
    part.answer('0', { ...entryOf('a'), expiresAt: 1000 }, entryOf('b'))
    await board.opened()
    assert.deepEqual(changes, [{ kind: 'all', entries: [entryOf('b')] }])
  })

  it('reads again when it was subscribed anew while it read', async () => {
    board.listen((change) => changes.push(change))
    const first = await redis.nextPart()
    redis.member!.lost!()
    redis.member!.subscribed!()
    first.answer('0', entryOf('old'))
    const again = await redis.nextPart()
    again.answer('0', entryOf('new'))
    await board.opened()
    assert.deepEqual(changes, [{ kind: 'all', entries: [entryOf('new')] }])
  })

  it('tells what it heard when it cannot read, and reads again as soon as it can', async () => {
    board.listen((change) => changes.push(change))
    const first = await redis.nextPart()
    redis.publish(1, 'other', posted('a'))
    first.fail()
    // Opening tries once more.
    const opened = board.opened()
    const second = await redis.nextPart()
    second.fail()
    await opened
    assert.deepEqual(changes.splice(0), [posted('a')])
    board.readNow()
    const third = await redis.nextPart()
    third.answer('0', entryOf('a'))
    await board.opened()
    assert.deepEqual(changes, [{ kind: 'all', entries: [entryOf('a')] }])
  })

  it('reads anew when a number is missing', async () => {
    await open()
    redis.publish(1, 'other', posted('a'))
    redis.publish(3, 'other', posted('c'))
    assert.deepEqual(changes.splice(0), [posted('a'), posted('c')])
    const part = await redis.nextPart()
    part.answer('0', entryOf('a'), entryOf('b'), entryOf('c'))
    await board.opened()
    assert.deepEqual(changes, [{ kind: 'all', entries: [entryOf('a'), entryOf('b'), entryOf('c')] }])
  })

  it('says that the server has lost what it had once its number is lower, also when that takes two readings', async () => {
    redis.number = 7
    await open(entryOf('a'), entryOf('b'))
    redis.number = 1
    redis.member!.subscribed!()
    ;(await redis.nextPart()).fail()
    await new Promise(setImmediate)
    board.readNow()
    ;(await redis.nextPart()).answer('0', entryOf('c'))
    await board.opened()
    assert.deepEqual(changes.splice(0), [{ kind: 'all', entries: [entryOf('c')], lost: true }])
    redis.member!.subscribed!()
    ;(await redis.nextPart()).answer('0', entryOf('c'))
    await board.opened()
    assert.deepEqual(changes, [{ kind: 'all', entries: [entryOf('c')] }], 'once')
  })

  it('resolves when its own change has come back, and tells of it once', async () => {
    await open()
    let name = ''
    redis.run = async (called) => {
      name = called
      return [0, 1]
    }
    let done = false
    const post = board.post([entryOf('a')]).then(() => (done = true))
    await new Promise(setImmediate)
    assert.deepEqual([done, changes], [false, []])
    redis.publish(1, name, posted('a'))
    await post
    assert.deepEqual(changes, [posted('a')])
  })

  it('tells of its own change itself when the connection is lost before that came back', async () => {
    await open()
    const post = board.post([entryOf('a')])
    await new Promise(setImmediate)
    redis.member!.lost!()
    await post
    assert.deepEqual(changes, [posted('a')])
  })

  it('tells of its own change itself when it does not come back in time, and reads what else was missed', async () => {
    await open()
    await board.post([entryOf('a')])
    assert.equal(changes.length, 0, 'a reading is under way')
    const part = await redis.nextPart()
    part.answer('0', entryOf('b'))
    await board.opened()
    assert.deepEqual(changes, [{ kind: 'all', entries: [entryOf('b'), entryOf('a')] }])
  })

  it('waits for nothing when nothing has changed', async () => {
    await open()
    redis.run = async () => [0, 0]
    assert.equal(await board.withdraw(['unknown']), 0)
    assert.deepEqual(changes, [])
  })
})

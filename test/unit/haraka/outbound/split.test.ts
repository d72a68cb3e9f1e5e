import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { QueueItem, Todo } from '../../../../src/haraka/outbound/queue-item'
import { type QueueWriter, Splitter, type Splitting } from '../../../../src/haraka/outbound/split'
import { FakeItem, QUEUED_AT } from './fake-item'

const to = (count: number) => Array.from({ length: count }, (_, index) => `user${index}@far.test`)
const MESSAGE = 'Subject: test\r\n\r\nhello\r\n'
const DUE = QUEUED_AT + 60_000

describe('a message that is split', () => {
  let directory: string
  let made: Part[]
  let adopted: [part: string, from: string][]
  let failures: string[]
  let notices: string[]
  let pauses: number[]
  let onPause: () => void
  /** So many files can be written. */
  let room: number
  let splitter: Splitter

  /** A queue file that was read. */
  class Part extends EventEmitter {
    todo: Todo | null = null
    calls: string[] = []
    next_cb = () => undefined
    constructor(
      readonly filename: string,
      readonly path: string,
    ) {
      super()
      made.push(this)
      const [head] = readFileSync(path, 'utf8').split('\n')
      setImmediate(() => {
        this.todo = JSON.parse(head!) as Todo
        this.emit('ready')
      })
    }
    discard() {
      rmSync(this.path)
    }
  }

  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'sluice-split-'))
    ;[made, adopted, failures, notices, pauses, room, onPause] = [[], [], [], [], [], 1000, () => undefined]
    let count = 0
    const writer: QueueWriter = {
      names: {
        platformDOT: '__tmp__.',
        name: (of) => `${of.arrival}_${of.next_attempt}_${of.attempts}_77_part${count++}_1_host`,
        parts: (name) => {
          const [arrival, next_attempt] = name.split('_').map(Number)
          return { arrival: arrival!, next_attempt: next_attempt! }
        },
      },
      build_todo(todo, into) {
        if (room-- <= 0) throw new Error('ENOSPC')
        into.write(Buffer.from(`${JSON.stringify(todo)}\n`))
      },
      HMailItem: Part as unknown as QueueWriter['HMailItem'],
    }
    splitter = new Splitter({
      writer,
      onPart: (part, from) => adopted.push([part.filename, from.filename]),
      onFailure: (what, error) => failures.push(`${what}: ${String(error)}`),
      onNotice: (notice) => notices.push(notice),
      pause: (ms) => Promise.resolve(pauses.push(ms)).then(() => onPause()),
    })
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  /** One that was tried twice. */
  function queued(recipients: number): FakeItem {
    const filename = `${QUEUED_AT}_${DUE}_2_77_whole_1_host`
    const fake = new FakeItem({
      recipients: to(recipients),
      filename,
      path: path.join(directory, filename),
      failures: 2,
    })
    const head = `${JSON.stringify(fake.todo)}\n`
    fake.data_start = Buffer.byteLength(head)
    writeFileSync(fake.path, head + MESSAGE)
    return fake
  }
  const addresses = (parts: readonly { todo: Todo | null }[]) =>
    parts.map(({ todo }) => todo!.rcpt_to.map(({ address }) => address))

  it('is made parts of so many recipients, each in one of them, and is removed then', async () => {
    const fake = queued(7)
    const parts = await splitter.splitUp(fake.item, 3)
    assert.deepEqual(addresses(parts), [to(7).slice(0, 3), to(7).slice(3, 6), to(7).slice(6)])
    assert.deepEqual(fake.calls, ['discarded', 'over'])
    for (const { path: file } of made) assert.ok(readFileSync(file, 'utf8').endsWith(`\n${MESSAGE}`))
  })

  it('is made parts to those of each group', async () => {
    const fake = queued(4)
    const [a, b, c, d] = fake.todo!.rcpt_to
    const parts = await splitter.splitInto(fake.item, [
      [b!, d!],
      [a!, c!],
    ])
    const [first, second, third, fourth] = to(4)
    assert.deepEqual(addresses(parts), [
      [second, fourth],
      [first, third],
    ])
    assert.deepEqual(fake.calls, ['discarded', 'over'])
  })

  it('goes on in its parts where it was: first queued, due and tried as before', async () => {
    await splitter.splitUp(queued(2).item, 1)
    assert.deepEqual(
      made.map(({ filename }) => filename.split('_').slice(0, 3)),
      [0, 1].map(() => [String(QUEUED_AT), String(DUE), '2']),
    )
  })

  it('stays as it was when a part cannot be written: no part is left, nobody is told', async () => {
    const fake = queued(7)
    room = 2
    await assert.rejects(splitter.splitUp(fake.item, 3), /ENOSPC/)
    assert.deepEqual(readdirSync(directory), [fake.filename])
    assert.deepEqual(fake.calls, [])
    assert.equal(fake.todo!.rcpt_to.length, 7)
  })

  describe('by Haraka, for some of its recipients', () => {
    const prototype: { split_to_new_recipients: Splitting } = FakeItem.prototype
    let stock: Splitting
    beforeEach(() => {
      stock = prototype.split_to_new_recipients
      splitter.install(prototype)
    })
    afterEach(() => (prototype.split_to_new_recipients = stock))

    const splitOff = (fake: FakeItem, count: number) =>
      new Promise<QueueItem>((resolve) => {
        fake.split_to_new_recipients(fake.todo!.rcpt_to.slice(0, count), 'some', resolve)
      })

    it('is written, and known before it is ended', async () => {
      const fake = queued(3)
      const part = await splitOff(fake, 2)
      assert.deepEqual(addresses([part]), [to(2)])
      assert.deepEqual(adopted, [[part.filename, fake.filename]])
      assert.deepEqual([failures, notices, fake.calls], [[], [], []])
    })

    it('is Haraka’s own affair when it is for all of them', async () => {
      const fake = queued(3)
      await splitOff(fake, 3)
      assert.deepEqual(fake.calls, ['split 3'])
      assert.deepEqual(adopted, [])
    })

    it('is tried until it can be written, at ever longer intervals, and the message stays meanwhile', async () => {
      const fake = queued(3)
      room = 0
      onPause = () => {
        assert.deepEqual(readdirSync(directory), [fake.filename])
        if (pauses.length === 7) room = 1
      }
      const part = await splitOff(fake, 1)
      assert.deepEqual(addresses([part]), [to(1)])
      assert.deepEqual(
        pauses,
        [1, 2, 4, 8, 16, 30, 30].map((seconds) => seconds * 1000),
      )
      const who = `1 of 3 recipients of ${fake.filename}`
      assert.equal(failures[1], `queueing ${who} apart (again in 2 s): Error: ENOSPC`)
      assert.deepEqual(notices, [`${who} are queued apart now`])
      assert.deepEqual(fake.calls, [])
    })

    it('ends when its file is gone', async () => {
      const fake = queued(3)
      rmSync(fake.path)
      const over = new Promise<void>((resolve) => (fake.next_cb = resolve))
      fake.split_to_new_recipients(fake.todo!.rcpt_to.slice(0, 1), 'some', () => assert.fail('there is none'))
      await over
      assert.match(notices[0]!, /is gone: it was removed before 1 of 3 recipients/)
      assert.deepEqual([readdirSync(directory), failures], [[], []])
    })
  })
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import {
  type Errand,
  type ErrandAnswer,
  answerPrefix,
  errandEntry,
  newErrand,
  readAnswer,
} from '../../../../src/egress/errand'
import { messageId } from '../../../../src/egress/queue-file'
import { Errands, type ErrandsOptions, type KnownMessage } from '../../../../src/haraka/outbound/errands'
import type { PutOffMessage } from '../../../../src/haraka/outbound/put-off'
import type { QueueItem } from '../../../../src/haraka/outbound/queue-item'
import { MemoryStore } from '../../../../src/store/memory/memory-store'

const FAR = 'egress|default|far'

describe('errands', () => {
  let dir: string
  let store: MemoryStore
  let flushed: string[]
  let bounced: string[]
  let notices: string[]
  let known: KnownMessage[]
  let putOff: (PutOffMessage & { state: 'there' | 'taken' | 'fired' | 'left' })[]
  /** Those that this process has put off itself. */
  let recalled: Map<string, { domain: string; path: string }>
  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-errands-'))
    store = new MemoryStore()
    await store.open()
    flushed = []
    bounced = []
    notices = []
    known = []
    putOff = []
    recalled = new Map()
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  const nameOf = (unique: string) => `1785849725000_1785849726000_1_4711_${unique}_12_mx1`
  const idOf = (unique: string) => `1785849725000_${unique}`

  function add(unique: string, domain: string): void {
    const filename = nameOf(unique)
    const head = Buffer.from(
      JSON.stringify({
        domain,
        rcpt_to: [{ user: 'bob', host: domain }],
        mail_from: { user: 'ann', host: 'near.test' },
      }),
    )
    const length = Buffer.alloc(4)
    length.writeUInt32BE(head.length)
    writeFileSync(path.join(dir, filename), Buffer.concat([length, head]))
    const message = {
      ...{ filename, id: messageId(filename), state: 'there' as const },
      take() {
        if (this.state !== 'there') return false
        this.state = 'taken'
        return true
      },
      leave() {
        if (this.state === 'there') this.state = 'left'
      },
    } as (typeof putOff)[number]
    putOff.push(message)
  }

  function errands(more: Partial<ErrandsOptions> = {}): Errands {
    const itemOf = (filename: string, domain: string) => ({ filename, todo: { domain } }) as unknown as QueueItem
    const made = new Errands({
      process: 'mx1-1-A',
      store: () => store,
      known: () => known,
      putOff: () => {
        for (const message of putOff) if (message.state === 'left') message.state = 'there'
        return putOff.filter(({ state }) => state !== 'taken')
      },
      recall: (id) => {
        const found = recalled.get(id)
        return found && { ...found, item: itemOf(id, found.domain) }
      },
      fileOf: (filename) => path.join(dir, filename),
      load: async (filename) => itemOf(filename, 'far.test'),
      pathFor: async ({ todo }) => `egress|default|${todo!.domain.replace('.test', '')}`,
      flush: ({ filename }) => flushed.push(messageId(filename)),
      bounceWaiting: async (id) => (bounced.push(id), 'ended'),
      bouncePutOff: async ({ filename }) => (bounced.push(messageId(filename)), 'ended'),
      onNotice: (message) => notices.push(message),
      onFailure: (error) => assert.fail(String(error)),
      ...more,
    })
    made.follow(store)
    return made
  }

  async function answerTo(errand: Errand): Promise<ErrandAnswer> {
    await store.post([errandEntry(errand, Date.now())])
    for (;;) {
      const [entry] = await store.readBoard(answerPrefix(errand), 9)
      const answer = entry && readAnswer(errand, entry)
      if (answer?.isOver) return answer
      await turn()
    }
  }
  const ask = (kind: Errand['kind'], target: Errand['target'], most = 1000) =>
    answerTo(newErrand({ kind, target, reason: 'because', most }))
  const NONE = { process: 'mx1-1-A', done: 0, waiting: 0, underWay: 0, putOff: 0, failed: 0, unseen: 0, isOver: true }

  it('flush what is put off for a domain, and nothing else', async () => {
    add('aaaaaa', 'far.test')
    add('bbbbbb', 'other.test')
    add('cccccc', 'FAR.test')
    known = [{ id: idOf('dddddd'), domain: 'far.test', path: FAR, isWaiting: true }]
    errands()
    assert.deepEqual(await ask('flush', { domain: 'far.test' }), { ...NONE, done: 2, waiting: 1 })
    assert.deepEqual(flushed.sort(), [idOf('aaaaaa'), idOf('cccccc')])
    assert.deepEqual(
      putOff.map(({ state }) => state),
      ['taken', 'left', 'taken'],
    )
    assert.match(notices.join(), /^errand \w+: 2 messages for far\.test to be tried now$/)
  })

  it('bounce what waits and what is put off, and leave alone what is under way', async () => {
    add('aaaaaa', 'far.test')
    known = [
      { id: idOf('bbbbbb'), domain: 'far.test', path: FAR, isWaiting: true },
      { id: idOf('cccccc'), domain: 'far.test', path: FAR, isWaiting: false },
      { id: idOf('dddddd'), domain: undefined, path: undefined, isWaiting: false },
      { id: idOf('eeeeee'), domain: 'far.test', path: 'egress|pool1|far', isWaiting: true },
    ]
    errands()
    assert.deepEqual(await ask('bounce', { path: FAR }), { ...NONE, done: 2, underWay: 1 })
    assert.deepEqual(bounced, [idOf('bbbbbb'), idOf('aaaaaa')])
    assert.match(notices.join(), /2 messages for egress\|default\|far sent back to their senders \(because\)/)
  })

  it('count, and touch nothing', async () => {
    add('aaaaaa', 'far.test')
    known = [{ id: idOf('bbbbbb'), domain: 'far.test', path: FAR, isWaiting: true }]
    errands()
    assert.deepEqual(await ask('count', { path: 'egress|*' }), { ...NONE, waiting: 1, putOff: 1 })
    assert.deepEqual([flushed, bounced, putOff[0]!.state, notices], [[], [], 'left', []])
  })

  it('touch no more than they may', async () => {
    for (const unique of ['aaaaaa', 'bbbbbb', 'cccccc']) add(unique, 'far.test')
    known = [{ id: idOf('dddddd'), domain: 'far.test', path: FAR, isWaiting: true }]
    errands()
    assert.deepEqual(await ask('bounce', { domain: 'far.test' }, 2), { ...NONE, done: 2, putOff: 2 })
    assert.equal(bounced.length, 2)
  })

  it('leave alone what has come to its time meanwhile, what cannot be read, and what could not be ended', async () => {
    for (const unique of ['aaaaaa', 'bbbbbb', 'cccccc']) add(unique, 'far.test')
    putOff[0]!.state = 'fired'
    writeFileSync(path.join(dir, nameOf('bbbbbb')), '')
    known = [{ id: idOf('dddddd'), domain: 'far.test', path: FAR, isWaiting: true }]
    errands({ bounceWaiting: async () => 'left', bouncePutOff: async () => 'put off' })
    assert.deepEqual(await ask('bounce', { domain: 'far.test' }), { ...NONE, underWay: 2, failed: 1 })
    assert.deepEqual(await ask('flush', { file: idOf('bbbbbb') }), { ...NONE, failed: 1 })
    assert.deepEqual(await ask('flush', { file: idOf('xxxxxx') }), NONE)
  })

  it('read no file of what this process has put off itself', async () => {
    add('aaaaaa', 'far.test')
    rmSync(path.join(dir, nameOf('aaaaaa')))
    recalled.set(idOf('aaaaaa'), { domain: 'far.test', path: FAR })
    errands({ load: async () => assert.fail('read') })
    assert.deepEqual(await ask('flush', { path: FAR }), { ...NONE, done: 1 })
  })

  it('are done once, and not by a process that begins after they were posted', async () => {
    add('aaaaaa', 'far.test')
    const early = newErrand({ kind: 'flush', target: { domain: 'far.test' }, reason: '', most: 9 })
    await store.post([errandEntry(early, Date.now())])
    const made = errands()
    await turn()
    made.apply({ kind: 'posted', entry: errandEntry(early, Date.now()) })
    const later = newErrand({ kind: 'count', target: { domain: 'far.test' }, reason: '', most: 9 })
    assert.equal((await answerTo(later)).putOff, 1)
    assert.deepEqual(flushed, [])
    const again = newErrand({ kind: 'flush', target: { domain: 'far.test' }, reason: '', most: 9 })
    await answerTo(again)
    putOff = []
    add('bbbbbb', 'far.test')
    made.apply({ kind: 'all', entries: [errandEntry(again, Date.now())] })
    made.apply({ kind: 'posted', entry: { ...errandEntry(newErrand(again), 0), expiresAt: 1 } })
    await answerTo(newErrand({ ...later }))
    assert.deepEqual(flushed, [idOf('aaaaaa')])
  })
})

import assert from 'node:assert/strict'
import path from 'node:path'
import { ReaderBusy, ReportReader } from '../../../../src/feedback/reports/reader'
import { envelope, sample } from './samples'

const THREAD = path.resolve(__dirname, '../../../support/reader-thread.js')

describe('reading large reports beside', function () {
  this.timeout(30_000)
  let reader: ReportReader
  const open = (options: ConstructorParameters<typeof ReportReader>[0] = {}) =>
    (reader = new ReportReader({ mostInlineBytes: 0, readMs: 20_000, thread: THREAD, ...options }))
  afterEach(() => reader.close())

  const large = (bytes: number) => Buffer.concat([sample('exim'), Buffer.alloc(bytes, 'hello world\r\n')])

  it('says the same as reading here', async () => {
    const here = await new ReportReader().read(sample('gmail'), envelope())
    assert.deepEqual(await open().read(sample('gmail'), envelope()), here)
  })

  it('leaves this process free', async () => {
    open()
    await reader.read(sample('exim'), envelope())
    let isOver = false
    const report = reader.read(large(20_000_000), envelope()).finally(() => (isOver = true))
    let turns = 0
    for (; !isOver; turns++) await new Promise((resolve) => setImmediate(resolve))
    assert.equal((await report).kind, 'bounce')
    // Read here it would be a handful; how many there are else depends on how busy the machine is.
    assert.ok(turns > 20, `${turns} turns`)
  })

  it('is for small ones too that have very many lines, each of which takes time', async () => {
    reader = new ReportReader({ readMs: 1, thread: THREAD })
    const lines = Buffer.concat([sample('qmail'), Buffer.alloc(20_000, '\n')])
    await assert.rejects(reader.read(lines, envelope()), /not read within 1 ms/)
    assert.equal((await reader.read(sample('qmail'), envelope())).kind, 'bounce')
  })

  it('goes on after what cannot be read, and after what takes too long', async () => {
    open()
    const header = Buffer.from(`X-Long: ${'x'.repeat(600_000)}\r\n\r\n`)
    await assert.rejects(reader.read(header, envelope()), /Maximum header size/)
    assert.equal((await reader.read(sample('qmail'), envelope())).kind, 'bounce')
    reader.close()
    open({ readMs: 1 })
    await assert.rejects(reader.read(large(8_000_000), envelope()), /not read within 1 ms/)
  })

  it('has those come again who would wait too long for others', async () => {
    open({ waitMs: 1 })
    const [first, second] = [large(8_000_000), sample('qmail')].map((message) => reader.read(message, envelope()))
    await assert.rejects(second!, ReaderBusy)
    assert.equal((await first!).kind, 'bounce')
    assert.equal((await reader.read(sample('qmail'), envelope())).kind, 'bounce')
  })

  it('says when there is too much, and when it is over', async () => {
    open()
    const reports = Array.from({ length: 30 }, () => reader.read(large(1_000_000), envelope()))
    const settled = Promise.allSettled(reports)
    reader.close()
    assert.ok((await settled).every((one) => one.status === 'rejected' && one.reason instanceof ReaderBusy))
  })
})

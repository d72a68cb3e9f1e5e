import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  DecisionLog,
  type DecisionFilter,
  type DecisionRecord,
  readDecisions,
} from '../../../src/telemetry/decision-log'
import { decisionLine } from '../../../src/telemetry/decision-record'
import { AT, judged, outcome, subject } from './fixtures'

describe('reading decisions', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-decisions-'))
  })

  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  function openLog(writer: string): DecisionLog {
    const bounds = { rotateBytes: 1024 ** 2, keepMs: 86_400_000, mostBytes: 1024 ** 3 }
    return new DecisionLog({ folder, record: 'all', ...bounds, writer, clock: () => AT })
  }

  const tell = (log: DecisionLog, id: string, at = AT) => log.reader(judged({ subject: subject({ id, at }) }))
  const names = () => readdirSync(folder).sort()

  async function read(filter: DecisionFilter = {}, most = Infinity): Promise<DecisionRecord[]> {
    const records = []
    for await (const record of readDecisions(folder, filter, { most })) records.push(record)
    return records
  }

  async function fill(writer: string, times: readonly number[]): Promise<void> {
    const log = openLog(writer)
    for (const at of times) tell(log, `${writer}@${at - AT}`, at)
    await log.close()
  }

  it('merges the writers, newest first, and stops where it is told', async () => {
    await fill('w1', [AT, AT + 20_000, AT + 40_000])
    await fill('w2', [AT + 10_000, AT + 30_000])
    const expected = ['w1@40000', 'w2@30000', 'w1@20000', 'w2@10000', 'w1@0']
    assert.deepEqual(
      (await read()).map(({ id }) => id),
      expected,
    )
    assert.deepEqual(
      (await read({}, 2)).map(({ id }) => id),
      expected.slice(0, 2),
    )
    const within = { since: AT + 10_000, until: AT + 30_000 }
    assert.deepEqual(
      (await read(within)).map(({ id }) => id),
      expected.slice(1, 4),
    )
  })

  it('puts stages in order that were finished out of it', async () => {
    await fill('w1', [AT, AT + 3000, AT + 1000, AT + 2000])
    assert.deepEqual(
      (await read()).map(({ t }) => t - AT),
      [3000, 2000, 1000, 0],
    )
  })

  it('reads files of many blocks', async () => {
    const times = Array.from({ length: 6000 }, (_, index) => AT + index * 10)
    await fill(
      'w1',
      times.filter((_, index) => index % 3 !== 0),
    )
    await fill(
      'w2',
      times.filter((_, index) => index % 3 === 0),
    )
    const reading = readDecisions(folder, {}, { most: Infinity })
    const found = []
    for await (const { t } of reading) found.push(t)
    assert.deepEqual(found, times.toReversed())
    assert.equal(reading.files, 2)
    assert.equal(reading.garbageLines, 0)
  })

  it('reads a burst of one moment without holding it all back', async () => {
    const log = openLog('w1')
    for (let index = 0; index < 50_000; index++) {
      tell(log, String(index))
      if (index % 10_000 === 0) await log.flush()
    }
    await log.close()
    const ids = new Set((await read()).map(({ id }) => id))
    assert.equal(ids.size, 50_000)
  })

  it('ends early without reading it all', async () => {
    await fill(
      'w1',
      Array.from({ length: 6000 }, (_, index) => AT + index * 10),
    )
    const reading = readDecisions(folder, {}, { most: 3 })
    for await (const { t } of reading) assert.ok(t > AT)
    assert.ok(reading.bytesRead < 600_000, `${reading.bytesRead}`)
  })

  it('passes over torn and strange lines, and counts those that should have been whole', async () => {
    await fill('w1', [AT, AT + 1])
    const file = path.join(folder, names()[0]!)
    appendFileSync(file, 'garbage\n{"v":1,"t":5}\n')
    appendFileSync(file, `\0\0\0\n${decisionLine(outcome({ subject: subject({ id: 'last', at: AT + 2 }) }))}`)
    appendFileSync(file, decisionLine(outcome()).slice(0, 50))
    const reading = readDecisions(folder, {}, { most: 10 })
    const ids = []
    for await (const { id } of reading) ids.push(id)
    assert.deepEqual(ids, ['last', 'w1@1', 'w1@0'])
    assert.equal(reading.garbageLines, 3)
  })

  it('passes over a line without end in bounded memory', async () => {
    await fill('w1', [AT])
    const file = path.join(folder, names()[0]!)
    appendFileSync(file, 'x'.repeat(5 * 1024 ** 2) + '\n')
    appendFileSync(file, decisionLine(outcome({ subject: subject({ id: 'after', at: AT + 1 }) })))
    const records = await read()
    assert.deepEqual(
      records.map(({ id }) => id),
      ['after', 'w1@0'],
    )
  })

  it('finds lines by a text in them', async () => {
    const log = openLog('w1')
    const helo = 'quote"back\\slash\u00fc'
    tell(log, 'a')
    log.reader(judged({ subject: subject({ id: 'b', helo }) }))
    log.reader(judged({ subject: subject({ id: 'c', helo: 'other' }) }))
    await log.close()
    const found = await read({ containsAny: [helo], matches: (record) => record.helo === helo })
    assert.deepEqual(
      found.map(({ id }) => id),
      ['b'],
    )
  })

  it('finds nothing where there is no folder', async () => {
    rmSync(folder, { recursive: true })
    assert.deepEqual(await read(), [])
  })
})

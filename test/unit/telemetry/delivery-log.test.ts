import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DecisionLog, readDecisions } from '../../../src/telemetry/decision-log'
import {
  type DeliveryFilter,
  DeliveryLog,
  type DeliveryLogOptions,
  type DeliveryRecord,
  readDeliveries,
} from '../../../src/telemetry/delivery-log'
import { AT, attempt, delivered, judged, subject } from './fixtures'

const DAY_MS = 86_400_000

describe('delivery log', () => {
  let folder: string
  const logs: { close(): Promise<void> }[] = []

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-deliveries-'))
  })

  afterEach(async () => {
    await Promise.all(logs.splice(0).map((log) => log.close()))
    rmSync(folder, { recursive: true })
  })

  const bounds = (changes: Partial<DeliveryLogOptions>): DeliveryLogOptions => ({
    ...{ folder, record: 'all', rotateBytes: 1024 ** 2, keepMs: 7 * DAY_MS, mostBytes: 1024 ** 3, writer: 'w1' },
    clock: () => AT,
    ...changes,
  })

  function keep<Log extends { close(): Promise<void> }>(log: Log): Log {
    logs.push(log)
    return log
  }

  const openLog = (changes: Partial<DeliveryLogOptions> = {}) => keep(new DeliveryLog(bounds(changes)))
  const openDecisions = (changes: Partial<DeliveryLogOptions> = {}) => keep(new DecisionLog(bounds(changes)))
  const names = () => readdirSync(folder).sort()
  const sizeOf = (name: string) =>
    names()
      .filter((file) => file.startsWith(name))
      .reduce((sum, file) => sum + statSync(path.join(folder, file)).size, 0)

  async function read(filter: DeliveryFilter = {}): Promise<DeliveryRecord[]> {
    const records = []
    for await (const record of readDeliveries(folder, filter, { most: Infinity })) records.push(record)
    return records
  }

  it('keeps attempts beside the decisions, each in files of their own', async () => {
    const [deliveries, decisions] = [openLog(), openDecisions()]
    for (const event of [attempt(), judged({ subject: subject({ id: 'a' }) }), attempt({ ...delivered, at: AT + 1 })]) {
      for (const log of [deliveries, decisions]) log.reader(event)
    }
    await Promise.all([deliveries.flush(), decisions.flush()])
    assert.deepEqual(names(), ['decisions-2026-08-04.w1.1.jsonl', 'deliveries-2026-08-04.w1.1.jsonl'])
    assert.deepEqual(
      (await read()).map(({ result }) => result),
      ['delivered', 'deferred'],
    )
    const found = []
    for await (const { id } of readDecisions(folder, {}, { most: 9 })) found.push(id)
    assert.deepEqual(found, ['a'])
  })

  it('keeps only what was not delivered when so configured', async () => {
    const log = openLog({ record: 'denied' })
    for (const changes of [delivered, {}, { delivered: 1 }]) log.reader(attempt(changes))
    await log.flush()
    assert.deepEqual((await read()).map(({ result }) => result).sort(), ['deferred', 'mixed'])
  })

  it('keeps each attempt of a flood', async () => {
    const log = openLog()
    for (let index = 0; index < 2000; index++) log.reader(attempt())
    await log.flush()
    assert.equal((await read()).length, 2000)
  })

  it('says what waits when the disk takes nothing', async () => {
    const notices: string[] = []
    const full = () => Promise.reject(new Error('ENOSPC: no space left on device, open'))
    const log = openLog({ createFile: full, onNotice: (notice) => notices.push(notice) })
    log.reader(attempt())
    await log.flush()
    assert.match(notices[0]!, /^delivery log: cannot write to .*; attempts to deliver wait in memory up to 4 MB/)
  })

  describe('in a folder shared with the decision log', () => {
    const fill = (name: string, files: number, ageDays = 1) => {
      mkdirSync(folder, { recursive: true })
      for (let number = 1; number <= files; number++) {
        const file = path.join(folder, `${name}-2026-08-03.w9.${number}.jsonl`)
        writeFileSync(file, 'x'.repeat(10_000))
        utimesSync(file, (AT - ageDays * DAY_MS + number) / 1000, (AT - ageDays * DAY_MS + number) / 1000)
      }
    }
    const sweep = async (mostBytes: number) => {
      for (const log of [openLog({ mostBytes }), openDecisions({ mostBytes })]) await log.sweep()
      return [sizeOf('decisions'), sizeOf('deliveries')]
    }

    it('each may have what the other leaves', async () => {
      fill('decisions', 19)
      assert.deepEqual(await sweep(200_000), [190_000, 0])
      fill('deliveries', 1)
      assert.deepEqual(await sweep(200_000), [190_000, 10_000])
    })

    it('each keeps its share when both want more', async () => {
      fill('decisions', 40)
      fill('deliveries', 40, 3)
      assert.deepEqual(await sweep(200_000), [150_000, 50_000])
      assert.ok(names().includes('deliveries-2026-08-03.w9.40.jsonl'), 'the oldest go first')
    })

    it('attempts, however old, are not pushed out by decisions within their share', async () => {
      fill('deliveries', 4, 6)
      fill('decisions', 40)
      assert.deepEqual(await sweep(200_000), [160_000, 40_000])
    })

    it('neither deletes what is too old of the other', async () => {
      fill('decisions', 1, 20)
      await openLog().sweep()
      assert.equal(sizeOf('decisions'), 10_000)
    })

    it('both stay within their bounds under a steady stream', async () => {
      const both = [openLog({ mostBytes: 200_000 }), openDecisions({ mostBytes: 200_000 })]
      for (let round = 0; round < 100; round++) {
        for (const log of both) {
          for (let index = 0; index < 10; index++) {
            log.reader(attempt())
            log.reader(judged())
          }
          await log.flush()
        }
      }
      const total = sizeOf('decisions') + sizeOf('deliveries')
      assert.ok(total > 100_000 && total < 230_000, `${total}`)
    })
  })
})

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, unlinkSync, utimesSync } from 'node:fs'
import { chmod, mkdir, open, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  DecisionLog,
  type DecisionLogOptions,
  type DecisionFilter,
  type DecisionRecord,
  type LogFile,
  MOST_WAITING,
  readDecisions,
} from '../../../src/telemetry/decision-log'
import { parseDecisionLine } from '../../../src/telemetry/decision-record'
import { AT, decision, judged, shadowed, subject } from './fixtures'

const DAY_MS = 86_400_000

describe('decision log', () => {
  let folder: string
  let now: number
  const logs: DecisionLog[] = []

  beforeEach(() => {
    folder = path.join(mkdtempSync(path.join(tmpdir(), 'sluice-decisions-')), 'decisions')
    now = AT
  })

  afterEach(async () => {
    await Promise.all(logs.splice(0).map((log) => log.close()))
    rmSync(path.dirname(folder), { recursive: true })
  })

  function openLog(options: Partial<DecisionLogOptions> = {}): DecisionLog {
    const log = new DecisionLog({
      folder,
      record: 'all',
      rotateBytes: 1024 ** 2,
      keepMs: 7 * DAY_MS,
      mostBytes: 1024 ** 3,
      writer: 'w1',
      clock: () => now,
      ...options,
    })
    logs.push(log)
    return log
  }

  const tell = (log: DecisionLog, id: string, at = now) => log.reader(judged({ subject: subject({ id, at }) }))
  const names = () => readdirSync(folder).sort()
  const idsIn = (name: string) => linesIn(path.join(folder, name)).map((line) => parseDecisionLine(line)?.id)

  async function read(filter: DecisionFilter = {}, most = Infinity): Promise<DecisionRecord[]> {
    const records = []
    for await (const record of readDecisions(folder, filter, { most })) records.push(record)
    return records
  }

  describe('writing', () => {
    it('keeps what happened before a flood of refused connections', async () => {
      const log = openLog({ mostBytes: 4 * 1024 ** 2 })
      tell(log, 'before')
      const flood = subject({ id: '-', stage: 'connect' })
      for (let count = 0; count < 100_000; count++) log.reader(judged({ subject: flood, decisions: [decision()] }))
      await log.flush()
      const records = await read()
      assert.deepEqual(records.map(({ id }) => id).sort(), ['-', 'before'])
      assert.deepEqual([log.passedOver, log.dropped], [99_999, 0])
    })

    it('writes lines to a file of its own, closed to strangers', async () => {
      const log = openLog()
      tell(log, 'a')
      tell(log, 'b')
      await log.flush()
      assert.deepEqual(names(), ['decisions-2026-08-04.w1.1.jsonl'])
      assert.deepEqual(idsIn(names()[0]!), ['a', 'b'])
      assert.equal(statSync(folder).mode & 0o777, 0o750 & ~process.umask())
      assert.equal(statSync(path.join(folder, names()[0]!)).mode & 0o777, 0o640 & ~process.umask())
    })

    it('creates nothing before there is something to say', async () => {
      const log = openLog()
      log.reader({ kind: 'notice', at: AT, message: 'x' })
      await log.flush()
      assert.throws(names, { code: 'ENOENT' })
    })

    it('writes by itself after a moment', async () => {
      const { createFile, written } = watched()
      tell(openLog({ createFile }), 'a')
      await written
      assert.deepEqual(idsIn(names()[0]!), ['a'])
    })

    it('writes by itself when much waits, without waiting for the clock', async () => {
      const { createFile, written } = watched()
      const log = openLog({ createFile })
      const { setTimeout } = globalThis
      globalThis.setTimeout = (() => ({ unref: () => undefined })) as unknown as typeof setTimeout
      try {
        for (let index = 0; index < 400; index++) tell(log, 'a'.repeat(100))
        await written
      } finally {
        globalThis.setTimeout = setTimeout
      }
    })

    it('keeps only what was or would have been refused when so configured', async () => {
      const log = openLog({ record: 'denied' })
      tell(log, 'accepted')
      log.reader(judged({ subject: subject({ id: 'shadowed' }), decisions: [shadowed] }))
      await log.flush()
      assert.deepEqual(idsIn(names()[0]!), ['shadowed'])
    })

    it('begins a file at the size given, and each day', async () => {
      const log = openLog({ rotateBytes: 200 })
      for (const id of ['a', 'b', 'c']) {
        tell(log, id)
        await log.flush()
      }
      now += DAY_MS
      tell(log, 'd')
      await log.flush()
      assert.deepEqual(names(), [
        'decisions-2026-08-04.w1.1.jsonl',
        'decisions-2026-08-04.w1.2.jsonl',
        'decisions-2026-08-04.w1.3.jsonl',
        'decisions-2026-08-05.w1.1.jsonl',
      ])
      assert.deepEqual(
        (await read()).map(({ id }) => id),
        ['d', 'c', 'b', 'a'],
      )
    })

    it('never writes to the file of another process, even one of the same name', async () => {
      const [old, young, other] = [openLog(), openLog(), openLog({ writer: 'w2' })]
      for (const log of [old, young, other]) {
        tell(log, 'x')
        await log.flush()
      }
      tell(old, 'y')
      await old.flush()
      assert.deepEqual(names(), [
        'decisions-2026-08-04.w1.1.jsonl',
        'decisions-2026-08-04.w1.2.jsonl',
        'decisions-2026-08-04.w2.1.jsonl',
      ])
      assert.deepEqual(idsIn(names()[0]!), ['x', 'y'])
    })

    it('takes another number when one is taken meanwhile', async () => {
      const raced = async (file: string) => {
        if (file.endsWith('.1.jsonl')) await writeFile(file, '')
        return open(file, 'ax', 0o640)
      }
      const log = openLog({ createFile: raced })
      tell(log, 'a')
      await log.flush()
      assert.deepEqual(idsIn('decisions-2026-08-04.w1.2.jsonl'), ['a'])
    })

    it('goes on in another file when its own is deleted', async () => {
      const log = openLog()
      tell(log, 'a')
      await log.flush()
      unlinkSync(path.join(folder, names()[0]!))
      tell(log, 'b')
      await log.flush()
      assert.deepEqual(idsIn(names()[0]!), ['b'])
    })

    it('writes what waits when it is closed, and nothing afterwards', async () => {
      const log = openLog()
      tell(log, 'a')
      await Promise.all([log.close(), log.close()])
      tell(log, 'b')
      await log.flush()
      assert.deepEqual(idsIn(names()[0]!), ['a'])
    })
  })

  describe('on a full disk', () => {
    it('keeps lines until there is room, and says so once', async () => {
      const disk = new FakeDisk()
      const notices: string[] = []
      const log = openLog({ createFile: disk.create, onNotice: (notice) => notices.push(notice) })
      tell(log, 'a')
      await log.flush()
      disk.room = 50
      for (const id of ['b', 'c']) {
        tell(log, id)
        await log.flush()
      }
      assert.deepEqual(notices, [
        `decision log: cannot write to ${folder}: ENOSPC: no space left on device, write; decisions wait in memory up ` +
          'to 4 MB and are then not recorded, mail goes on. Make room, or mend the permissions of the folder',
      ])
      assert.deepEqual(idsIn(names()[0]!), ['a'], 'half a line was taken back')
      disk.room = Infinity
      await log.flush()
      assert.deepEqual(notices.slice(1), ['decision log: written again, nothing was lost'])
      assert.deepEqual(idsIn(names()[0]!), ['a', 'b', 'c'])
      assert.equal(names().length, 1)
    })

    it('drops and counts what memory does not hold', async () => {
      const disk = new FakeDisk()
      disk.room = 0
      const notices: string[] = []
      const log = openLog({ createFile: disk.create, onNotice: (notice) => notices.push(notice) })
      const helo = 'x'.repeat(500)
      const lines = 7000
      for (let index = 0; index < lines; index++) log.reader(judged({ subject: subject({ helo }) }))
      await log.flush()
      assert.ok(log.dropped > 0)
      disk.room = Infinity
      await log.flush()
      const { size } = statSync(path.join(folder, names()[0]!))
      assert.ok(size >= MOST_WAITING && size < MOST_WAITING + 2000, `${size}`)
      assert.equal(linesIn(path.join(folder, names()[0]!)).length + log.dropped, lines)
      assert.equal(notices[1], `decision log: written again, ${log.dropped} decisions were not recorded`)
    })

    it('begins another file when half a line cannot be taken back', async () => {
      const disk = new FakeDisk()
      const log = openLog({ createFile: disk.create })
      tell(log, 'a')
      await log.flush()
      disk.room = 50
      disk.truncates = false
      tell(log, 'b')
      await log.flush()
      disk.room = Infinity
      await log.flush()
      assert.equal(names().length, 2)
      assert.deepEqual(
        (await read()).map(({ id }) => id),
        ['b', 'a'],
      )
    })

    it('tries again by itself', async () => {
      const disk = new FakeDisk()
      disk.room = 0
      const log = openLog({ createFile: disk.create })
      tell(log, 'a')
      await log.flush()
      disk.room = Infinity
      await disk.written()
      assert.deepEqual(idsIn(names()[0]!), ['a'])
    })

    it('survives a folder it may not write to', async () => {
      if (process.getuid?.() === 0) await writeFile(folder, 'a file where the folder should be')
      else await mkdir(folder).then(() => chmod(folder, 0o500))
      const notices: string[] = []
      const log = openLog({ onNotice: (notice) => notices.push(notice) })
      tell(log, 'a')
      await log.flush()
      await log.close()
      assert.equal(notices.length, 1)
    })
  })

  describe('retention', () => {
    const aged = async (name: string, ageMs: number, bytes = 10) => {
      await mkdir(folder, { recursive: true })
      const file = path.join(folder, name)
      await writeFile(file, 'x'.repeat(bytes))
      utimesSync(file, (now - ageMs) / 1000, (now - ageMs) / 1000)
    }

    it('deletes what is too old, whoever wrote it, and nothing that is not ours', async () => {
      await aged('decisions-2026-07-20.w1.1.jsonl', 8 * DAY_MS)
      await aged('decisions-2026-07-20.w9.1.jsonl', 8 * DAY_MS)
      await aged('decisions-2026-07-29.w9.1.jsonl', 6 * DAY_MS)
      await aged('notes.txt', 99 * DAY_MS)
      await openLog().sweep()
      assert.deepEqual(names(), ['decisions-2026-07-29.w9.1.jsonl', 'notes.txt'])
    })

    it('deletes the oldest beyond the size of all, but not what it is writing', async () => {
      for (const day of [1, 2, 3]) await aged(`decisions-2026-08-0${day}.w${day}.1.jsonl`, (4 - day) * DAY_MS, 10_000)
      const log = openLog({ mostBytes: 20_000, rotateBytes: 20_000 })
      tell(log, 'a')
      await log.flush()
      assert.deepEqual(names(), ['decisions-2026-08-03.w3.1.jsonl', 'decisions-2026-08-04.w1.1.jsonl'])
    })

    it('lets several processes sweep at once', async () => {
      for (let number = 1; number <= 40; number++) await aged(`decisions-2026-07-01.w1.${number}.jsonl`, 30 * DAY_MS)
      const notices: string[] = []
      const onNotice = (notice: string) => void notices.push(notice)
      await Promise.all(['w1', 'w2', 'w3'].map((writer) => openLog({ writer, onNotice }).sweep()))
      assert.deepEqual(names(), [])
      assert.deepEqual(notices, [])
    })

    it('stays within its size under a steady stream', async () => {
      const writers = ['w1', 'w2'].map((writer) => openLog({ writer, mostBytes: 100_000, rotateBytes: 1024 ** 2 }))
      for (let round = 0; round < 100; round++) {
        for (const log of writers) {
          for (let index = 0; index < 40; index++) tell(log, `${round}`)
          await log.flush()
        }
      }
      const total = names().reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0)
      assert.ok(total > 50_000 && total < 160_000, `${total}`)
    })
  })
})

function linesIn(file: string): string[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1)
}

/** Real files that tell when they are first written to. */
function watched() {
  let tellWritten: () => void
  const written = new Promise<void>((resolve) => (tellWritten = resolve))
  const createFile = async (file: string): Promise<LogFile> => {
    const handle = await open(file, 'ax', 0o640)
    return { ...bound(handle), appendFile: (data) => handle.appendFile(data).then(() => tellWritten()) }
  }
  return { createFile, written }
}

function bound(handle: LogFile): LogFile {
  return {
    appendFile: (data) => handle.appendFile(data),
    truncate: (length) => handle.truncate(length),
    stat: handle.stat.bind(handle),
    close: () => handle.close(),
  }
}

/** Real files on a disk with so much room: it takes the first bytes of what it cannot take whole. */
class FakeDisk {
  room = Infinity
  truncates = true
  private readonly waiting: (() => void)[] = []

  written(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  readonly create = async (file: string): Promise<LogFile> => {
    const handle = await open(file, 'ax', 0o640)
    return {
      ...bound(handle),
      appendFile: async (data) => {
        const bytes = data as Buffer
        if (bytes.length > this.room) {
          await handle.appendFile(bytes.subarray(0, this.room))
          throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
        }
        await handle.appendFile(bytes)
        for (const resolve of this.waiting.splice(0)) resolve()
      },
      truncate: async (length) => {
        if (!this.truncates) throw Object.assign(new Error('EIO: i/o error, ftruncate'), { code: 'EIO' })
        await handle.truncate(length)
      },
    }
  }
}

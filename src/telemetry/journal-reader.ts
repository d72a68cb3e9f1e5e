import { type FileHandle, open } from 'node:fs/promises'
import { type StoredFile, endOfDay, storedFiles } from './journal-files'
import type { JournalKind, JournalRecord } from './journal-kind'

export interface JournalFilter<R extends JournalRecord> {
  /** Nothing that happened earlier, in milliseconds since 1970. */
  readonly since?: number
  /** Nothing that happened later. */
  readonly until?: number
  /** Texts of which a line must contain one, as values stand in it; other lines are passed over without parsing. */
  readonly containsAny?: readonly string[]
  readonly matches?: (record: R) => boolean
}

export interface ReadLimits {
  /** Ends after so many records. */
  readonly most: number
}

const BLOCK_BYTES = 256 * 1024
const MOST_LINE_BYTES = 1024 * 1024
/** Lines stand in the order in which things were finished; so long at most one may take. */
const DISORDER_MS = 5000
/** Records held back until it is known that no newer one comes. */
const MOST_PENDING = 20_000

/**
 * The records of a journal that a filter lets through, newest first over all writers; read with `for await`.
 * Needs a block of memory for each writer whatever the size of the journal. Rejects when the folder or a file cannot be
 * read; a file that is deleted meanwhile is passed over.
 */
export class JournalReading<R extends JournalRecord> implements AsyncIterable<R> {
  /** Files looked into so far. */
  files = 0
  bytesRead = 0
  /** Lines that are no records; a last line that is still being written does not count. */
  garbageLines = 0

  constructor(
    private readonly kind: Pick<JournalKind<never, R>, 'name' | 'parse'>,
    private readonly folder: string,
    private readonly filter: JournalFilter<R>,
    private readonly limits: ReadLimits,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<R, void, undefined> {
    let left = this.limits.most
    let pending: R[] = []
    let trails = await this.trails()
    try {
      while (left > 0 && (trails.length > 0 || pending.length > 0)) {
        // The trail that may hold the newest record goes one block back; what is newer than all trails is final.
        const trail = trails.reduce<Trail<R> | undefined>((a, b) => (a && a.newest >= b.newest ? a : b), undefined)
        if (trail) pending.push(...(await trail.step()))
        trails = trails.filter((each) => !each.ended)
        const horizon = Math.max(-Infinity, ...trails.map(({ newest }) => newest))
        pending.sort((a, b) => b.t - a.t)
        const older = pending.findIndex(({ t }) => t < horizon)
        // A burst within moments is let go in the order of its files rather than held in memory.
        const count = Math.max(older < 0 ? pending.length : older, pending.length - MOST_PENDING)
        const final = pending.slice(0, Math.min(count, left))
        yield* final
        left -= final.length
        pending = pending.slice(final.length)
      }
    } finally {
      await Promise.all(trails.map((trail) => trail.close()))
    }
  }

  private async trails(): Promise<Trail<R>[]> {
    const { since = -Infinity } = this.filter
    const files = (await storedFiles({ folder: this.folder, name: this.kind.name })).filter(
      ({ day, writtenAt }) => endOfDay(day) > since && writtenAt >= since - DISORDER_MS,
    )
    const byWriter = new Map<string, StoredFile[]>()
    for (const file of files) byWriter.set(file.writer, [...(byWriter.get(file.writer) ?? []), file])
    return [...byWriter.values()].map((list) => new Trail(list, this.filter, this.kind.parse, this))
  }
}

/** The files of one writer, read backwards. */
class Trail<R extends JournalRecord> {
  /** No record still to come is newer. */
  newest = Infinity
  ended = false
  private file: BackwardFile | undefined
  private readonly needles: readonly Buffer[] | undefined

  constructor(
    private readonly files: StoredFile[],
    private readonly filter: JournalFilter<R>,
    private readonly parse: (line: string) => R | undefined,
    private readonly tally: JournalReading<R>,
  ) {
    // The last one is read first.
    files.sort((a, b) => (a.day === b.day ? a.number - b.number : a.day < b.day ? -1 : 1))
    this.needles = filter.containsAny?.map((text) => Buffer.from(JSON.stringify(text).slice(1, -1)))
  }

  /** Reads one block further back and returns what matches in it. */
  async step(): Promise<R[]> {
    this.file ??= await this.open()
    if (!this.file) {
      this.ended = true
      return []
    }
    const { lines, whole, bytesRead } = await this.file.step()
    this.tally.bytesRead += bytesRead
    this.advance(firstTime(lines))
    const { since = -Infinity } = this.filter
    if (this.file.position === 0 || this.newest < since) await this.close()
    if (this.newest < since) this.ended = true
    return this.select(lines, whole)
  }

  async close(): Promise<void> {
    const { file } = this
    this.file = undefined
    await file?.handle.close()
  }

  private async open(): Promise<BackwardFile | undefined> {
    for (let file = this.files.pop(); file; file = this.files.pop()) {
      try {
        const handle = await open(file.path, 'r')
        this.tally.files++
        return new BackwardFile(handle, (await handle.stat()).size)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    return undefined
  }

  private advance(oldest: number | undefined): void {
    if (oldest !== undefined) this.newest = Math.min(this.newest, oldest + DISORDER_MS)
  }

  private select(lines: Buffer, whole: boolean): R[] {
    if (this.needles && !this.needles.some((needle) => lines.includes(needle))) return []
    const found: R[] = []
    const texts = lines.toString('utf8').split('\n')
    const last = texts.pop()!
    for (const text of texts) this.judge(text, found, true)
    if (last !== '') this.judge(last, found, whole)
    return found
  }

  private judge(line: string, found: R[], whole: boolean): void {
    const { containsAny, since = -Infinity, until = Infinity, matches } = this.filter
    if (containsAny && !containsAny.some((text) => line.includes(JSON.stringify(text).slice(1, -1)))) return
    const record = this.parse(line)
    if (record === undefined) {
      if (whole) this.tally.garbageLines++
    } else if (record.t >= since && record.t <= until && (matches?.(record) ?? true)) found.push(record)
  }
}

/** Time of the first line that tells one; a line begins with it. */
function firstTime(lines: Buffer): number | undefined {
  for (let start = 0; start >= 0 && start < lines.length; start = lines.indexOf(10, start) + 1 || -1) {
    const match = /^\{"v":1,"t":(\d{1,16}),/.exec(lines.toString('latin1', start, start + 40))
    if (match) return Number(match[1])
  }
  return undefined
}

interface Block {
  /** Whole lines; only the very last of a file may lack its line feed. */
  readonly lines: Buffer
  /** Whether the last line is one that has its line feed, or should have. */
  readonly whole: boolean
  readonly bytesRead: number
}

/** A file read from its end, block by block. */
class BackwardFile {
  /** Beginning of the earliest line read so far, whose first part stands in the block before. */
  private carry: Buffer = Buffer.alloc(0)
  private atEnd = true

  constructor(
    readonly handle: FileHandle,
    public position: number,
  ) {}

  async step(): Promise<Block> {
    const length = Math.min(BLOCK_BYTES, this.position)
    const block = Buffer.alloc(length)
    const { bytesRead } = await this.handle.read(block, 0, length, this.position - length)
    this.position -= length
    const bytes = Buffer.concat([block.subarray(0, bytesRead), this.carry])
    const whole = !this.atEnd
    this.atEnd = false
    // What stands before the first line feed began in the block before, unless there is none.
    const feed = bytes.indexOf(10) + 1
    const start = this.position === 0 ? 0 : feed === 0 ? bytes.length : feed
    // A line longer than this is none of ours: what is left of it is garbage when its beginning comes.
    this.carry = start > MOST_LINE_BYTES ? Buffer.alloc(0) : bytes.subarray(0, start)
    return { lines: bytes.subarray(start), whole, bytesRead }
  }
}

import { appendFileSync, mkdirSync } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { type JournalPlace, freeNumber, journalPath, sweepJournal, utcDay } from './journal-files'
import type { JournalKind } from './journal-kind'
import { LineBuffer } from './line-buffer'

/** What a journal needs of an open file; tests give one whose disk is full. */
export type LogFile = Pick<FileHandle, 'appendFile' | 'truncate' | 'stat' | 'close'>

export interface JournalOptions {
  readonly folder: string
  /** A file is closed at about this size; at most a third of the journal's share, so that there is an oldest file to delete. */
  readonly rotateBytes: number
  /** Files not written to for so long are deleted; a line thus lives at most a day longer. */
  readonly keepMs: number
  /**
   * All files of all writers together, and of all journals that share the folder; checked whenever a file is begun, and
   * every few minutes.
   */
  readonly mostBytes: number
  /** Names this process among those that write to the folder: letters, digits, `-` and `_`, at most 32. */
  readonly writer: string
  readonly clock?: () => number
  /** Told once when lines cannot be written, and once when they can again. */
  readonly onNotice?: (message: string) => void
  /** Creates a file that must not exist yet; rejects with EEXIST when it does. */
  readonly createFile?: (path: string) => Promise<LogFile>
}

const FLUSH_MS = 200
const FLUSH_BYTES = 60 * 1024
/** Between attempts while the disk does not take anything. */
const RETRY_MS = 1000
/** Bytes that wait for the disk, those being written included; what comes beyond is not recorded. */
export const MOST_WAITING = 4 * 1024 * 1024
const MOST_SWEEP_MS = 600_000
const MOST_NUMBERS_TRIED = 100

interface OpenFile {
  readonly handle: LogFile
  readonly path: string
  readonly day: string
  sizeBytes: number
}

/**
 * What happened, as JSON lines in files that only this process writes: `decisions-2026-08-04.w1.3.jsonl`, a new one each
 * UTC day, each start, and at the size given.
 *
 * Recording costs microseconds and never throws for a disk's sake. Lines wait in memory for at most 200 ms, or as long
 * as the disk refuses them; beyond {@link MOST_WAITING} they are dropped and counted. A write that fails half way is
 * taken back, so a torn line can only be the last of a file.
 */
export class Journal<Entry> {
  private readonly place: JournalPlace
  private readonly clock: () => number
  private readonly waiting = new LineBuffer()
  private writing = 0
  private file: OpenFile | undefined
  private drain: Promise<void> | undefined
  private timer: NodeJS.Timeout | undefined
  private readonly sweeper: NodeJS.Timeout
  private failing = false
  private sweepFailing = false
  private droppedBefore = 0
  private droppedNow = 0
  private closed = false

  constructor(
    private readonly kind: JournalKind<Entry>,
    private readonly options: JournalOptions,
  ) {
    this.place = { folder: options.folder, name: kind.name }
    this.clock = options.clock ?? Date.now
    const sweepMs = Math.min(MOST_SWEEP_MS, Math.max(1000, options.keepMs / 10))
    this.sweeper = setInterval(() => void this.sweep(), sweepMs).unref()
  }

  /** Writes an entry soon; nothing after the journal was closed. */
  record(entry: Entry): void {
    if (this.closed) return
    if (this.waiting.bytes + this.writing >= MOST_WAITING) {
      this.droppedNow++
      return
    }
    this.waiting.add(this.kind.line(entry))
    this.schedule()
  }

  /** Lines not recorded since the start, because the disk took none and memory is bounded. */
  get dropped(): number {
    return this.droppedBefore + this.droppedNow
  }

  /** Writes what waits. Never rejects: a failure is told through `onNotice`, and the lines go on waiting. */
  async flush(): Promise<void> {
    // A write under way has taken what waited when it began.
    await this.drain
    await (this.drain ?? this.beginDrain())
  }

  /** Deletes files beyond the retention now; otherwise done every few minutes and whenever a file is begun. Never rejects. */
  async sweep(): Promise<void> {
    const { folder, keepMs, mostBytes } = this.options
    const { share } = this.kind
    try {
      await sweepJournal(this.place, this.clock(), { keepMs, mostBytes, share, current: this.file?.path })
      this.sweepFailing = false
    } catch (error) {
      if (!this.sweepFailing) this.notice(`cannot delete old files in ${folder}`, error, 'it may outgrow its bounds')
      this.sweepFailing = true
    }
  }

  /** Writes what waits and closes the file; what the disk does not take now is lost. Idempotent. */
  async close(): Promise<void> {
    this.closed = true
    clearTimeout(this.timer)
    clearInterval(this.sweeper)
    await this.drain
    await this.flush()
    await this.closeFile()
  }

  /** For a process that is about to exit and can wait for nothing: writes what waits at once, or loses it. Never throws. */
  closeNow(): void {
    this.closed = true
    if (this.waiting.bytes === 0) return
    const { folder, writer } = this.options
    try {
      mkdirSync(folder, { recursive: true, mode: 0o750 })
      // No file begun yet: number 0 is for last words.
      const path = this.file?.path ?? journalPath(this.place, utcDay(this.clock()), writer, 0)
      appendFileSync(path, this.waiting.take(), { mode: 0o640 })
    } catch {
      // Nobody is left to tell.
    }
  }

  private schedule(): void {
    // While the disk refuses, only the timer tries again.
    if (this.drain) return
    if (this.waiting.bytes >= FLUSH_BYTES && !this.failing) void this.beginDrain()
    else this.timer ??= setTimeout(() => this.onTimer(), this.failing ? RETRY_MS : FLUSH_MS).unref()
  }

  private onTimer(): void {
    this.timer = undefined
    if (!this.drain) void this.beginDrain()
  }

  private beginDrain(): Promise<void> {
    this.drain = this.writeWaiting().finally(() => {
      this.drain = undefined
      if (this.waiting.bytes > 0 && !this.closed) this.schedule()
    })
    return this.drain
  }

  /** Writes what waits now. What comes meanwhile waits for the next time: under load a loop here would never end. */
  private async writeWaiting(): Promise<void> {
    if (this.waiting.bytes === 0) return
    const bytes = this.waiting.take()
    this.writing = bytes.length
    try {
      await this.write(bytes)
      this.recover()
    } catch (error) {
      this.waiting.putBack(bytes)
      this.fail(error)
    } finally {
      this.writing = 0
    }
  }

  private async write(bytes: Buffer): Promise<void> {
    const file = await this.fileFor(bytes.length)
    try {
      await file.handle.appendFile(bytes)
      file.sizeBytes += bytes.length
    } catch (error) {
      // A full disk may have taken the first half of a line.
      await file.handle.truncate(file.sizeBytes).catch(() => this.closeFile())
      throw error
    }
  }

  private async fileFor(length: number): Promise<OpenFile> {
    const day = utcDay(this.clock())
    if (this.file && (this.file.day !== day || this.isFull(this.file, length) || (await isDeleted(this.file)))) {
      await this.closeFile()
    }
    if (!this.file) {
      this.file = await this.create(day)
      await this.sweep()
    }
    return this.file
  }

  private isFull({ sizeBytes }: OpenFile, length: number): boolean {
    const rotateBytes = Math.min(this.options.rotateBytes, (this.options.mostBytes * this.kind.share) / 3)
    return sizeBytes > 0 && sizeBytes + length > rotateBytes
  }

  private async create(day: string): Promise<OpenFile> {
    const { folder, writer, createFile = createLogFile } = this.options
    await mkdir(folder, { recursive: true, mode: 0o750 })
    const first = await freeNumber(this.place, day, writer)
    for (let number = first; ; number++) {
      const path = journalPath(this.place, day, writer, number)
      try {
        return { handle: await createFile(path), path, day, sizeBytes: 0 }
      } catch (error) {
        // A predecessor of the same name that is still shutting down may have just made this one.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || number - first >= MOST_NUMBERS_TRIED) throw error
      }
    }
  }

  private async closeFile(): Promise<void> {
    const { file } = this
    this.file = undefined
    // Nothing is buffered below us: a close that fails loses nothing.
    await file?.handle.close().catch(() => undefined)
  }

  private fail(error: unknown): void {
    if (this.failing) return
    this.failing = true
    const effect = `${this.kind.noun} wait in memory up to 4 MB and are then not recorded, mail goes on`
    this.notice(`cannot write to ${this.options.folder}`, error, effect)
  }

  private notice(what: string, error: unknown, effect: string): void {
    const why = error instanceof Error ? error.message : String(error)
    this.options.onNotice?.(
      `${this.kind.title}: ${what}: ${why}; ${effect}. Make room, or mend the permissions of the folder`,
    )
  }

  private recover(): void {
    if (!this.failing) return
    this.failing = false
    const lost = this.droppedNow === 0 ? 'nothing was lost' : `${this.droppedNow} ${this.kind.noun} were not recorded`
    this.droppedBefore += this.droppedNow
    this.droppedNow = 0
    this.options.onNotice?.(`${this.kind.title}: written again, ${lost}`)
  }
}

function createLogFile(path: string): Promise<LogFile> {
  return open(path, 'ax', 0o640)
}

/** Deleted by a sweep of another process, or by hand: what is written to it goes nowhere. */
async function isDeleted({ handle }: OpenFile): Promise<boolean> {
  return (await handle.stat()).nlink === 0
}

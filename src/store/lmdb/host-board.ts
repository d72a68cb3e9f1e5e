import { Board, type BoardStep, keyOf } from '../board'
import { BoardListeners } from '../board-listeners'
import { type BoardEntry, type Clock, StoreError } from '../store'
import type { BoardTables, Environment } from './environment'
import { isOfStorage } from './health'
import { DiskFullError } from './reserve'

/** A process that slept longer than this, or through so many changes, reads everything anew. */
const KEEP_MS = 60_000
const KEEP_CHANGES = 10_000
/** Each key written pays for so many old ones that go: expired entries, and lines of the log. */
const LEAVE_PER_KEY = 2
/** Keys in one transaction: some milliseconds at worst. */
const LOT = 25
/**
 * At most: the entry, which may fill pages of its own; two that make room for it; two that have expired; a line of the log
 * for each that is put up or makes room; and for each of those, the lines that leave.
 */
const RECORDS_PER_KEY = 2 + 2 + LEAVE_PER_KEY + 3 + 3 * LEAVE_PER_KEY

/**
 * The board in the file and this process's copy of it. A log says which keys have changed, and each process reads on from
 * where it last was. Every change is made on the copy within a write transaction, when the copy is up to date.
 */
export class HostBoard {
  readonly listeners = new BoardListeners(() => this.board.read())
  private readonly board: Board
  private readonly tables: BoardTables
  private seen = 0
  private closed = false

  /** Reads everything there is. */
  constructor(
    private readonly environment: Environment,
    clock: Clock,
    most?: number,
  ) {
    this.board = new Board(clock, most)
    this.tables = environment.openBoard()
    environment.refresh()
    this.load()
  }

  /** Rejects with {@link StoreError} STORE_UNUSABLE when the file does not take it; this process heeds it even then. */
  async post(entries: readonly BoardEntry[]): Promise<void> {
    await this.inLots(entries, (lot) => {
      const keys = lot.map(({ key }) => key)
      this.change(keys, () => this.board.put(lot))
    })
  }

  /** Returns how many were there. Rejects as {@link post}. */
  async withdraw(keys: readonly string[]): Promise<number> {
    let known = 0
    await this.inLots(keys, (lot) => (known += this.change(lot, () => this.board.remove(lot))))
    return known
  }

  /** As of the latest that the environment has read; see {@link catchUp}. */
  read(prefix: string, most: number): BoardEntry[] {
    return this.board.read(prefix, most)
  }

  /** Learns what other processes have changed since the last time. */
  catchUp(): void {
    this.tell(this.unheard(), [])
  }

  close(): void {
    this.closed = true
  }

  private async inLots<T>(items: readonly T[], change: (lot: readonly T[]) => void): Promise<void> {
    let trouble: Error | undefined
    for (let at = 0; at < items.length; at += LOT) {
      // There may be many: let others have their turn.
      if (at > 0) await new Promise((resolve) => setImmediate(resolve))
      if (this.closed) throw new StoreError('STORE_CLOSED', `the LMDB store ${this.environment.path} is closed`)
      try {
        change(items.slice(at, at + LOT))
      } catch (error) {
        if (!isOfStorage(error)) throw error
        trouble = error as Error
      }
    }
    if (trouble !== undefined || !this.environment.inPlace) throw this.unkept(trouble)
  }

  private unkept(trouble: Error | undefined): StoreError {
    const what = trouble === undefined ? 'it was removed while in use' : trouble.message
    const mending = trouble instanceof DiskFullError ? 'Make room on the disk.' : 'Start Haraka again.'
    const message = `the board in ${this.environment.path} is not kept (${what}), and others may not know it. ${mending}`
    return new StoreError('STORE_UNUSABLE', message, { cause: trouble })
  }

  /**
   * Changes the board and returns how many changes that made. When it throws because nothing can be written, the copy has
   * changed all the same, and those who listen know. All `keys` are written whether they changed or not, since the file
   * may lack what the copy has from such a time.
   */
  private change(keys: readonly string[], act: () => BoardStep[]): number {
    let heard: Heard = []
    let made: BoardStep[] | undefined
    try {
      this.seen = this.environment.write(keys.length * RECORDS_PER_KEY, () => {
        heard = this.unheard()
        this.prune(keys.length)
        made = act()
        return this.write(new Set([...keys, ...made.map(keyOf)]))
      })
    } finally {
      made ??= act()
      this.tell(heard, made)
    }
    return made.length
  }

  /** Writes down what the copy has of these keys. Returns the number of the last line of the log. */
  private write(keys: ReadonlySet<string>): number {
    const { entries, log } = this.tables
    const now = Date.now()
    let line = this.lastLine()
    for (const key of keys) {
      const entry = this.board.get(key)
      if (entry) entries.putSync(key, [entry.expiresAt, entry.text])
      else entries.removeSync(key)
      log.putSync(++line, [now, key])
    }
    this.trimLog(LEAVE_PER_KEY * keys.size, line, now)
    return line
  }

  private prune(keys: number): void {
    for (const key of this.board.prune(LEAVE_PER_KEY * keys)) this.tables.entries.removeSync(key)
  }

  private trimLog(most: number, last: number, now: number): void {
    const old: number[] = []
    for (const { key, value } of this.tables.log.getRange({ limit: most })) {
      const [at] = value
      if (at > now - KEEP_MS && key > last - KEEP_CHANGES) break
      if (key < last) old.push(key)
    }
    for (const line of old) this.tables.log.removeSync(line)
  }

  private unheard(): Heard {
    const keys = new Set<string>()
    let expected = this.seen + 1
    for (const { key: line, value } of this.tables.log.getRange({ start: expected })) {
      if (line !== expected++) {
        this.load()
        return 'all'
      }
      keys.add(value[1])
    }
    this.seen = expected - 1
    return [...keys].flatMap((key) => {
      const entry = this.entryOf(key)
      return entry ? this.board.put([entry]) : this.board.remove([key])
    })
  }

  private load(): void {
    this.seen = this.lastLine()
    const entries: BoardEntry[] = []
    for (const { key, value } of this.tables.entries.getRange()) {
      entries.push({ key, expiresAt: value[0], text: value[1] })
    }
    this.board.replace(entries)
  }

  private entryOf(key: string): BoardEntry | undefined {
    const value = this.tables.entries.get(key)
    return value && { key, expiresAt: value[0], text: value[1] }
  }

  private lastLine(): number {
    for (const line of this.tables.log.getKeys({ reverse: true, limit: 1 })) return line
    return 0
  }

  private tell(heard: Heard, made: readonly BoardStep[]): void {
    if (heard === 'all') this.listeners.tellAll()
    else this.listeners.tell([...heard, ...made])
  }
}

/** What others have changed; `all` when so much was missed that the copy was read anew. */
type Heard = readonly BoardStep[] | 'all'

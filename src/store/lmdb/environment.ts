import { statSync } from 'node:fs'
import { type Database, type RootDatabase, open } from 'lmdb'
import { CommitOrder } from './commit-order'
import { dataFile } from './data-file'
import { takeOpeningLock } from './opening-lock'
import { type Extent, Reserve } from './reserve'

/** Address space, not disk: large enough that a grown file is hardly ever mapped anew. */
const MAP_BYTES = 16 * 2 ** 30
/** More than there are, so that a file with tables of a later version can be opened. */
export const MAX_TABLES = 12
/** Pages that a transaction about one record may touch: the leaf, its branches, those of the free list. */
const PAGES_PER_RECORD = 2
const PAGES_PER_TRANSACTION = 8
/** A transaction is begun anew only when another process opened the store at the very moment. */
const MOST_ATTEMPTS = 100
const BEHIND = new Error('the number of the latest transaction was set back')
/** So much may be lost when the whole host goes down. */
const LOOK_AFTER_EVERY_MS = 5000

/** Records that a transaction changes which makes one or two tables. */
const TABLE_RECORDS = 4

/** The board: key → expiresAt and text; and a log of its changes: line → time in milliseconds, and key. */
export interface BoardTables {
  readonly entries: Database<[number, string], string>
  readonly log: Database<[number, string], number>
}

/** The environments that this process has open, by directory. */
const opened = new Map<string, Environment>()

/**
 * The LMDB environment of one store directory, opened without a sync on each commit: a process that dies loses nothing
 * it has committed, since the pages are the kernel's. Only when the whole host goes down are they at risk; `boot-mark.ts`
 * tells that, and what is readable is then rescued.
 *
 * One process opens a directory once, however many stores it has on it: closing one of two would drop the file locks of
 * both, and other processes would then take the lock file for nobody's.
 */
export class Environment {
  /** The counters: key → record, see `record.ts`. What is remembered for longer has a table of its own, so each can be counted. */
  readonly states: Database<Buffer, string>
  readonly owners: Database<unknown, string>
  readonly resets: Database<unknown, number>
  private readonly root: RootDatabase<Buffer, string>
  private readonly reserve: Reserve
  private readonly order: CommitOrder | undefined
  /** Of its data file. */
  readonly inode: number
  private remembered: Database<Buffer, string> | undefined
  private board: BoardTables | undefined
  private records: Database<Buffer, string> | undefined
  private users = 0
  private syncing: Promise<boolean> | undefined
  private writtenSinceSync = false
  private lookedAfterAt = performance.now()

  private constructor(
    readonly path: string,
    private readonly name: string,
  ) {
    const wide = process.arch.includes('64') || process.arch === 's390x'
    // The declared options lack this one.
    const forOwnerAlone = { permissionsMode: 0o600 }
    const map = wide ? { mapSize: MAP_BYTES } : {}
    this.root = open<Buffer, string>({
      ...{ path, noSubdir: false, maxDbs: MAX_TABLES, noSync: true, encoding: 'binary' },
      ...map,
      ...forOwnerAlone,
    })
    try {
      this.states = this.root.openDB({ name: 'states', encoding: 'binary' })
      this.owners = this.root.openDB({ name: 'owners', encoding: 'json' })
      this.resets = this.root.openDB({ name: 'resets', encoding: 'json' })
    } catch (error) {
      void this.root.close()
      throw error
    }
    this.inode = statSync(dataFile(path)).ino
    this.reserve = new Reserve(path, () => this.extent())
    if (wide) this.order = new CommitOrder(path, this.extent().pageSize)
  }

  /** Call it while holding the opening lock. Each call wants a {@link close}. */
  static open(path: string): Environment {
    const { dev, ino } = statSync(path)
    const name = `${dev}:${ino}`
    const known = opened.get(name)
    // One whose file was set aside stays with the stores that have it.
    const environment = known?.inPlace ? known : new Environment(path, name)
    opened.set(name, environment)
    environment.users++
    return environment
  }

  /**
   * One transaction, alone among all processes; what it throws undoes it. `records` is how many records it may change.
   * Throws `DiskFullError` before anything is written.
   */
  write<T>(records: number, work: () => T): T {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.root.transactionSync(() => {
          if (this.order && !this.order.follows(this.root.getWriteTxnId())) throw BEHIND
          this.reserve.claim(PAGES_PER_TRANSACTION + records * PAGES_PER_RECORD)
          this.writtenSinceSync = true
          return work()
        })
      } catch (error) {
        if (error !== BEHIND || attempt === MOST_ATTEMPTS) throw error
      }
    }
  }

  /** Triplets and merits: key → record. Made as {@link openBoard}. */
  openRemembered(): Database<Buffer, string> {
    return (this.remembered ??= this.write(TABLE_RECORDS, () =>
      this.root.openDB({ name: 'remembered', encoding: 'binary' }),
    ))
  }

  /**
   * Made when the file is from before there was a board. That happens in a transaction as all others are, since other
   * processes may have the file open. Throws as {@link write}.
   */
  openBoard(): BoardTables {
    return (this.board ??= this.write(TABLE_RECORDS, () => ({
      entries: this.root.openDB({ name: 'board', encoding: 'json' }),
      log: this.root.openDB({ name: 'board-log', encoding: 'json' }),
    })))
  }

  /** Key → expiry and text, see `host-records.ts`. Made as {@link openBoard}. */
  openRecords(): Database<Buffer, string> {
    return (this.records ??= this.write(TABLE_RECORDS, () => this.root.openDB({ name: 'records', encoding: 'binary' })))
  }

  /** Reads after this see everything that any process has committed. */
  refresh(): void {
    this.root.resetReadTxn()
  }

  /** Lets go of what killed processes were reading: pages they might still read would never be used again. */
  forgetDeadReaders(): void {
    this.root.readerCheck()
  }

  /** False once somebody has removed or replaced the file. */
  get inPlace(): boolean {
    try {
      return statSync(dataFile(this.path)).ino === this.inode
    } catch {
      return false
    }
  }

  get sizeBytes(): number {
    const { pageSize, lastPageNumber } = this.extent()
    return pageSize * (lastPageNumber + 1)
  }

  /** Has the kernel put on disk what was written, off the main thread. Resolves to false when it could not. */
  async sync(): Promise<boolean> {
    while (this.syncing) await this.syncing
    if (!this.writtenSinceSync) return true
    this.writtenSinceSync = false
    const root = this.root as unknown as { sync(done: (error?: Error) => void): void }
    this.syncing = new Promise((resolve) => root.sync((error) => resolve(!error)))
    const ok = await this.syncing
    this.syncing = undefined
    return ok
  }

  /** What must be done now and then, when the last time is long enough ago; `onProblem` hears when it fails. */
  lookAfter(onProblem: (problem: string) => void): void {
    if (performance.now() - this.lookedAfterAt < LOOK_AFTER_EVERY_MS) return
    this.lookedAfterAt = performance.now()
    this.forgetDeadReaders()
    void this.sync().then((ok) => {
      if (!ok) onProblem(`store: ${this.path} could not be put on disk; a power failure may cost counts`)
    })
  }

  /** Closes the environment when nobody else in this process uses it. */
  async close(): Promise<void> {
    // While one closes and one opens, LMDB's lock file is neither old nor new.
    const release = await this.lockOut()
    try {
      if (--this.users > 0) return
      if (opened.get(this.name) === this) opened.delete(this.name)
      // The thread that syncs uses the environment: closing it under that thread would crash the process.
      await this.syncing
      await this.root.close()
      this.order?.close()
      this.reserve.close()
    } finally {
      release()
    }
  }

  /** On a full disk, or when the directory is gone, it closes all the same. */
  private async lockOut(): Promise<() => void> {
    try {
      return await takeOpeningLock(this.path)
    } catch {
      return () => {}
    }
  }

  private extent(): Extent {
    return this.root.getStats() as unknown as Extent
  }
}

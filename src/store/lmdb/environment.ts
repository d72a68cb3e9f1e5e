import { type Database, type RootDatabase, open } from 'lmdb'
import { type Extent, Reserve } from './reserve'

/** Address space, not disk: large enough that a grown file is hardly ever mapped anew. */
const MAP_BYTES = 16 * 2 ** 30
/** Pages that a transaction about one record may touch: the leaf, its branches, those of the free list. */
const PAGES_PER_RECORD = 2
const PAGES_PER_TRANSACTION = 8
/** So much may be lost when the whole host goes down. */
const LOOK_AFTER_EVERY_MS = 5000

/**
 * The LMDB environment of one store directory, opened without a sync on each commit: a process that dies loses nothing
 * it has committed, since the pages are the kernel's. Only when the whole host goes down are they at risk, and `files.ts`
 * notices that and rescues what is readable.
 */
export class Environment {
  /** Key → record, see `record.ts`. */
  readonly states: Database<Buffer, string>
  readonly owners: Database<unknown, string>
  readonly resets: Database<unknown, number>
  private readonly root: RootDatabase<Buffer, string>
  private readonly reserve: Reserve
  private syncing: Promise<boolean> | undefined
  private writtenSinceSync = false
  private lookedAfterAt = performance.now()

  constructor(readonly path: string) {
    const wide = process.arch.includes('64') || process.arch === 's390x'
    this.root = open<Buffer, string>({
      path,
      noSubdir: false,
      maxDbs: 4,
      noSync: true,
      encoding: 'binary',
      ...(wide ? { mapSize: MAP_BYTES } : {}),
      ...{ permissionsMode: 0o600 },
    })
    this.states = this.root.openDB({ name: 'states', encoding: 'binary' })
    this.owners = this.root.openDB({ name: 'owners', encoding: 'json' })
    this.resets = this.root.openDB({ name: 'resets', encoding: 'json' })
    this.reserve = new Reserve(path, () => this.extent())
  }

  /**
   * One transaction, alone among all processes; what it throws undoes it. `records` is how many records it may change.
   * Throws `DiskFullError` before anything is written.
   */
  write<T>(records: number, work: () => T): T {
    return this.root.transactionSync(() => {
      this.reserve.claim(PAGES_PER_TRANSACTION + records * PAGES_PER_RECORD)
      this.writtenSinceSync = true
      return work()
    })
  }

  /** Reads after this see everything that any process has committed. */
  refresh(): void {
    this.root.resetReadTxn()
  }

  /** Lets go of what killed processes were reading: pages they might still read would never be used again. */
  forgetDeadReaders(): void {
    this.root.readerCheck()
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

  async close(): Promise<void> {
    // The thread that syncs uses the environment: closing it under that thread would crash the process.
    await this.syncing
    this.reserve.close()
    await this.root.close()
  }

  private extent(): Extent {
    return this.root.getStats() as unknown as Extent
  }
}

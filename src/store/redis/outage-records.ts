import {
  type Records,
  type RecordsPage,
  type RecordsRead,
  type StoredRecord,
  checkRecordKeys,
  settleRecords,
} from '../records'
import { type Clock, StoreError } from '../store'

export interface OutageRecordsOptions {
  readonly shared: Records
  /**
   * Makes a call to the shared store; undefined when it is away. Rejects with STORE_FULL, which is no outage, and when it is
   * closed.
   */
  readonly call: <T>(work: () => T | Promise<T>) => Promise<{ readonly result: T } | undefined>
  readonly clock: Clock
  readonly onNotice?: ((message: string) => void) | undefined
}

/** Keys whose change waits to be sent. Beyond it changes are refused: what is learned must not be lost without a word. */
const MOST_WAITING = 10_000
const STEPS_PER_CALL = 100

/** What a key is to become; undefined: it goes. */
type Change = StoredRecord | undefined

/**
 * Records of a shared store that may be away. Then nobody waits for it: what is not known here is not there. Changes are
 * kept, the latest of each key, stand above what the shared store says, and are sent when it is back; but none then ends
 * what holds for longer.
 */
export class OutageRecords implements Records {
  private readonly waiting = new Map<string, Change>()

  constructor(private readonly options: OutageRecordsOptions) {}

  async put(records: readonly StoredRecord[]): Promise<void> {
    const settled = settleRecords(records)
    const keys = settled.map(({ key }) => key)
    if (!(await this.tell(keys, () => this.options.shared.put(settled))))
      this.keep(settled.map((one) => [one.key, one]))
  }

  async get(keys: readonly string[]): Promise<RecordsRead> {
    checkRecordKeys(keys)
    const { shared, call } = this.options
    const read = (await call(() => shared.get(keys)))?.result
    const now = this.options.clock()
    const records = keys.map((key, index) => {
      if (!this.waiting.has(key)) return read?.records[index]
      const change = this.waiting.get(key)
      return change && change.expiresAt > now ? change : undefined
    })
    return { records, degraded: read === undefined }
  }

  async remove(keys: readonly string[]): Promise<number> {
    checkRecordKeys(keys)
    const done = await this.tell(keys, () => this.options.shared.remove(keys))
    if (done) return done.result
    const known = keys.filter((key) => this.waiting.get(key) !== undefined).length
    this.keep(keys.map((key) => [key, undefined]))
    return known
  }

  async scan(prefix: string, cursor: string | undefined, most: number): Promise<RecordsPage> {
    return this.options.shared.scan(prefix, cursor, most)
  }

  async count(): Promise<number> {
    return this.options.shared.count()
  }

  /** Nothing waits to be sent. */
  get settled(): boolean {
    return this.waiting.size === 0
  }

  /** Sends what waits. Rejects at the first call that fails; what is not known to have arrived waits on. */
  async send(): Promise<void> {
    for (let round = 0; round < MOST_WAITING / STEPS_PER_CALL && this.waiting.size > 0; round++) {
      const changes = [...this.waiting.entries()].slice(0, STEPS_PER_CALL)
      await this.sendLot(changes)
      for (const [key, change] of changes) if (this.waiting.get(key) === change) this.waiting.delete(key)
    }
  }

  /** Says what is lost with this process. */
  close(): void {
    if (this.settled) return
    const changes = this.waiting.size === 1 ? '1 change' : `${this.waiting.size} changes`
    this.options.onNotice?.(`${changes} of records (suppressed addresses) did not reach the shared store and are lost`)
  }

  private async sendLot(changes: readonly (readonly [string, Change])[]): Promise<void> {
    const { shared, onNotice } = this.options
    const records = changes.flatMap(([, change]) => change ?? [])
    const keys = changes.flatMap(([key, change]) => (change ? [] : key))
    if (keys.length > 0) await shared.remove(keys)
    try {
      // Whoever put them could not see what stands there: what holds for longer stays.
      const known = records.length > 0 ? (await shared.get(records.map(({ key }) => key))).records : []
      const due = records.filter(({ expiresAt }, index) => (known[index]?.expiresAt ?? 0) < expiresAt)
      if (due.length > 0) await shared.put(due)
    } catch (error) {
      if (!isFull(error)) throw error
      onNotice?.(`${records.length} records from when the shared store was away are not kept. ${error.message}`)
    }
  }

  /** Tells the shared store; what waits of these keys is then out of date. */
  private async tell<T>(keys: readonly string[], work: () => Promise<T>): Promise<{ readonly result: T } | undefined> {
    const done = await this.options.call(work)
    if (done) for (const key of keys) this.waiting.delete(key)
    return done
  }

  private keep(changes: readonly (readonly [string, Change])[]): void {
    const fresh = changes.filter(([key]) => !this.waiting.has(key)).length
    if (this.waiting.size + fresh > MOST_WAITING) {
      const message = `the shared store is away, and ${this.waiting.size} changes of records wait for it already`
      throw new StoreError('STORE_UNREACHABLE', `${message}. Try again when it is back.`)
    }
    for (const [key, change] of changes) this.waiting.set(key, change)
  }
}

export function isFull(error: unknown): error is StoreError {
  return error instanceof StoreError && error.code === 'STORE_FULL'
}

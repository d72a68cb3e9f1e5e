import {
  type Records,
  type RecordsPage,
  type RecordsRead,
  type StoredRecord,
  checkRecordKeys,
  fullOfRecords,
  settleRecords,
} from '../records'
import type { Clock } from '../store'

/** A map holds far less than a file: this store is for tests and simulations. */
const MOST = 100_000
/** Looked at for each that comes: more than one, so that a map of expired records shrinks. */
const LOOKS_PER_RECORD = 2

interface Kept extends StoredRecord {
  /** Rises in the order of the map, so that a page can say where it ended. */
  readonly place: number
}

/** Records in this process's memory, in the order in which they came. */
export class MemoryRecords implements Records {
  private readonly kept = new Map<string, Kept>()
  private hand = this.kept.values()
  private places = 0

  /** @param requireOpen throws once the store is closed */
  constructor(
    private readonly requireOpen: () => void,
    private readonly clock: Clock,
    private readonly most = MOST,
  ) {}

  async put(records: readonly StoredRecord[]): Promise<void> {
    const settled = settleRecords(records)
    this.requireOpen()
    const now = this.clock()
    for (const record of settled) {
      for (let look = LOOKS_PER_RECORD; look > 0; look--) this.look(now)
      const known = this.kept.get(record.key)
      if (record.expiresAt <= now) this.kept.delete(record.key)
      else if (known) this.kept.set(record.key, { ...record, place: known.place })
      else this.add(record, now)
    }
  }

  get(keys: readonly string[]): RecordsRead {
    checkRecordKeys(keys)
    this.requireOpen()
    const now = this.clock()
    return { records: keys.map((key) => live(this.kept.get(key), now)), degraded: false }
  }

  async remove(keys: readonly string[]): Promise<number> {
    checkRecordKeys(keys)
    this.requireOpen()
    const now = this.clock()
    let known = 0
    for (const key of keys) {
      if (live(this.kept.get(key), now)) known++
      this.kept.delete(key)
    }
    return known
  }

  async scan(prefix: string, cursor: string | undefined, most: number): Promise<RecordsPage> {
    this.requireOpen()
    const now = this.clock()
    const after = Number(cursor ?? 0)
    const records: StoredRecord[] = []
    for (const kept of this.kept.values()) {
      if (kept.place <= after || !kept.key.startsWith(prefix)) continue
      const found = live(kept, now)
      if (found) records.push(found)
      if (records.length >= most) return { records, cursor: String(kept.place) }
    }
    return { records, cursor: undefined }
  }

  async count(): Promise<number> {
    this.requireOpen()
    return this.kept.size
  }

  private add(record: StoredRecord, now: number): void {
    if (this.kept.size >= this.most)
      for (const kept of this.kept.values()) if (kept.expiresAt <= now) this.kept.delete(kept.key)
    if (this.kept.size >= this.most) throw fullOfRecords('the memory store', this.most)
    this.kept.set(record.key, { ...record, place: ++this.places })
  }

  private look(now: number): void {
    let step = this.hand.next()
    if (step.done) {
      this.hand = this.kept.values()
      step = this.hand.next()
    }
    if (!step.done && step.value.expiresAt <= now) this.kept.delete(step.value.key)
  }
}

function live(kept: Kept | undefined, now: number): StoredRecord | undefined {
  if (kept === undefined || kept.expiresAt <= now) return undefined
  const { key, text, expiresAt } = kept
  return { key, text, expiresAt }
}

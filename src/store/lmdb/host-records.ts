import type { Database } from 'lmdb'
import {
  type Records,
  type RecordsPage,
  type RecordsRead,
  type StoredRecord,
  checkRecordKeys,
  fullOfRecords,
  settleRecords,
} from '../records'
import { type Clock, MAX_RECORDS, StoreError } from '../store'
import type { Environment } from './environment'
import { isOfStorage } from './health'
import { recordExpiry } from './record'
import { DiskFullError } from './reserve'
import { countKeys } from './sweeper'

/** As states have them, see `record.ts`: the expiry, then the text in UTF-8. */
const EXPIRY_BYTES = 6
/** Keys in one transaction: some milliseconds at worst. */
const LOT = 200
/** Each key written pays for a look at so many others; what has expired goes. */
const LOOKS_PER_KEY = 2
/** Looked at in a full table before a new key is refused. */
const LOOKS_WHEN_FULL = 2000
/** The record itself, which may begin a page, and those looked at. */
const RECORDS_PER_KEY = 2 + LOOKS_PER_KEY

export interface HostRecordsOptions {
  /** Throws once the store is closed. */
  readonly environment: () => Environment
  readonly clock: Clock
  readonly most?: number | undefined
}

/**
 * Records in the file, in a table of their own. Nothing of them is kept in memory, and nothing is written behind: a change
 * is a transaction, which all processes see from then on, and which a process that dies does not take with it.
 */
export class HostRecords implements Records {
  private readonly most: number
  /** Up to where this process has swept. */
  private swept: string | undefined

  constructor(private readonly options: HostRecordsOptions) {
    this.most = options.most ?? MAX_RECORDS
  }

  async put(records: readonly StoredRecord[]): Promise<void> {
    const settled = settleRecords(records)
    await this.inLots(settled, (table, lot, now) => {
      this.sweep(table, LOOKS_PER_KEY * lot.length, now)
      this.requireRoom(table, lot, now)
      for (const record of lot) {
        if (record.expiresAt > now) table.putSync(record.key, encode(record))
        else table.removeSync(record.key)
      }
    })
  }

  get(keys: readonly string[]): RecordsRead {
    checkRecordKeys(keys)
    const table = this.table(true)
    const now = this.options.clock()
    const records = keys.map((key) => {
      const bytes = table.getBinaryFast(key)
      return bytes && decode(key, bytes, now)
    })
    return { records, degraded: false }
  }

  async remove(keys: readonly string[]): Promise<number> {
    checkRecordKeys(keys)
    let known = 0
    await this.inLots(keys, (table, lot, now) => {
      for (const key of lot) {
        const bytes = table.getBinaryFast(key)
        if (bytes && recordExpiry(bytes) > now) known++
        table.removeSync(key)
      }
    })
    return known
  }

  async scan(prefix: string, cursor: string | undefined, most: number): Promise<RecordsPage> {
    const table = this.table(true)
    const now = this.options.clock()
    const start = cursor === undefined ? { start: prefix } : { start: cursor, exclusiveStart: true }
    const records: StoredRecord[] = []
    let looked = 0
    let last: string | undefined
    for (const { key, value } of table.getRange({ ...start, limit: most })) {
      if (!key.startsWith(prefix)) return { records, cursor: undefined }
      looked++
      last = key
      const record = decode(key, value, now)
      if (record) records.push(record)
    }
    return { records, cursor: looked < most ? undefined : last }
  }

  async count(): Promise<number> {
    return countKeys(this.table(true))
  }

  private table(isFresh: boolean): Database<Buffer, string> {
    const environment = this.options.environment()
    const table = environment.openRecords()
    if (isFresh) environment.refresh()
    return table
  }

  private async inLots<T>(
    items: readonly T[],
    change: (table: Database<Buffer, string>, lot: readonly T[], now: number) => void,
  ): Promise<void> {
    for (let at = 0; at < items.length; at += LOT) {
      // There may be many: let others have their turn.
      if (at > 0) await new Promise((resolve) => setImmediate(resolve))
      const lot = items.slice(at, at + LOT)
      this.write(lot.length, (table) => change(table, lot, this.options.clock()))
    }
  }

  private write(keys: number, work: (table: Database<Buffer, string>) => void): void {
    const environment = this.options.environment()
    try {
      const table = environment.openRecords()
      environment.write(keys * RECORDS_PER_KEY, () => work(table))
    } catch (error) {
      if (!isOfStorage(error)) throw error
      const mending = error instanceof DiskFullError ? 'Make room on the disk.' : 'Start Haraka again.'
      const message = `records could not be written to ${environment.path} (${(error as Error).message}). ${mending}`
      throw new StoreError('STORE_UNUSABLE', message, { cause: error })
    }
  }

  /** Throws STORE_FULL, which undoes the transaction, when not all of these would fit. */
  private requireRoom(table: Database<Buffer, string>, records: readonly StoredRecord[], now: number): void {
    if (countKeys(table) + records.length <= this.most) return
    const fresh = new Set(records.filter(({ key }) => table.getBinaryFast(key) === undefined).map(({ key }) => key))
      .size
    if (countKeys(table) + fresh <= this.most) return
    this.sweep(table, LOOKS_WHEN_FULL, now)
    if (fresh > 0 && countKeys(table) + fresh > this.most)
      throw fullOfRecords(this.options.environment().path, this.most)
  }

  /** Walks on round the table. */
  private sweep(table: Database<Buffer, string>, looks: number, now: number): void {
    const start = this.swept === undefined ? {} : { start: this.swept, exclusiveStart: true }
    const dead: string[] = []
    let looked = 0
    for (const { key, value } of table.getRange({ ...start, limit: looks })) {
      looked++
      this.swept = key
      if (recordExpiry(value) <= now) dead.push(key)
    }
    if (looked < looks) this.swept = undefined
    for (const key of dead) table.removeSync(key)
  }
}

function encode({ text, expiresAt }: StoredRecord): Buffer {
  const bytes = Buffer.allocUnsafe(EXPIRY_BYTES + Buffer.byteLength(text))
  bytes.writeUIntBE(expiresAt, 0, EXPIRY_BYTES)
  bytes.write(text, EXPIRY_BYTES)
  return bytes
}

/** Undefined for what has expired, or is no record. */
function decode(key: string, bytes: Buffer, now: number): StoredRecord | undefined {
  const expiresAt = bytes.length < EXPIRY_BYTES ? 0 : bytes.readUIntBE(0, EXPIRY_BYTES)
  // The end is named because LMDB hands out one large reused buffer that only says that it is shorter.
  return expiresAt > now ? { key, expiresAt, text: bytes.toString('utf8', EXPIRY_BYTES, bytes.length) } : undefined
}

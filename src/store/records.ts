import { MAX_KEY_LENGTH, MAX_RECORD_TEXT, StoreError } from './store'

/** Something that is looked up by its key, such as a suppressed address. There may be a million. */
export interface StoredRecord {
  /** Printable ASCII, at least one and at most {@link MAX_KEY_LENGTH} characters. */
  readonly key: string
  /** Its owner's text, at most {@link MAX_RECORD_TEXT} characters. */
  readonly text: string
  /** Milliseconds since 1970, finite: rounded up to whole ones, and at most {@link LATEST_EXPIRY}. */
  readonly expiresAt: number
}

export interface RecordsRead {
  /** One for each key, in order; undefined where there is none, or it has expired. */
  readonly records: readonly (StoredRecord | undefined)[]
  /** The shared store is out of reach: what is found is what this process alone has learned meanwhile. */
  readonly degraded: boolean
}

export interface RecordsPage {
  readonly records: readonly StoredRecord[]
  /** Where the next page begins; undefined when there is none. */
  readonly cursor: string | undefined
}

/**
 * Records of one store, for all processes that share it. Unlike the board they are not all in every process's memory: one
 * is read when somebody asks for it, so a million of them cost a process nothing. The store is bounded too; what it has it
 * keeps to its end, so one that is full takes no new key.
 *
 * All calls reject with {@link StoreError}, and throw a RangeError, or reject with it, when a key or record is none. Large
 * calls are carried out in lots: when one rejects, those before it are done. All of them may be done again.
 */
export interface Records {
  /**
   * Puts records in place of those with the same key. What has expired already is not kept, but takes the place of the same
   * key all the same. Rejects with STORE_FULL when there is no room for new keys.
   *
   * A shared store that guards against outages does not reject for one: it keeps a bounded number of changes and makes them
   * when the store is back; beyond that it rejects. A record that was put so does not take the place of one that ends later.
   */
  put(records: readonly StoredRecord[]): Promise<void>

  /** An embedded store may answer at once. One that guards against outages does not reject for one, see `degraded`. */
  get(keys: readonly string[]): RecordsRead | Promise<RecordsRead>

  /** Returns how many were there, as far as is known. Rejects as {@link put}. */
  remove(keys: readonly string[]): Promise<number>

  /**
   * Records whose key starts with `prefix`, page by page, from `cursor` on; without one from the beginning. A page has about
   * `most`, perhaps fewer or none though there are more. Whatever is there all the time comes at least once.
   */
  scan(prefix: string, cursor: string | undefined, most: number): Promise<RecordsPage>

  /** How many there are, those included that have expired and were not yet removed. */
  count(): Promise<number>
}

/** Six bytes of milliseconds: the year 10889. */
export const LATEST_EXPIRY = 2 ** 48 - 1

const KEY = new RegExp(`^[\\x20-\\x7e]{1,${MAX_KEY_LENGTH}}$`)

/** The records as they are kept. Throws a RangeError at the first that no store takes. */
export function settleRecords(records: readonly StoredRecord[]): StoredRecord[] {
  return records.map(({ key, text, expiresAt }) => {
    checkRecordKeys([key])
    if (text.length > MAX_RECORD_TEXT) {
      throw new RangeError(`the text of ${key} has ${text.length} characters, a record has at most ${MAX_RECORD_TEXT}`)
    }
    if (!Number.isFinite(expiresAt)) throw new RangeError(`${key} must expire at some time, not at ${expiresAt}`)
    return { key, text, expiresAt: Math.min(LATEST_EXPIRY, Math.ceil(expiresAt)) }
  })
}

/** Throws a RangeError at the first that no store takes. */
export function checkRecordKeys(keys: readonly string[]): void {
  for (const key of keys) {
    if (KEY.test(key)) continue
    throw new RangeError(
      `${JSON.stringify(key)} is no key: it must be 1 to ${MAX_KEY_LENGTH} printable ASCII characters`,
    )
  }
}

export function fullOfRecords(where: string, most: number): StoreError {
  const mending = 'Remove what is not needed, or raise store.max_records.'
  return new StoreError('STORE_FULL', `${where} keeps ${most} records, and no new one. ${mending}`)
}

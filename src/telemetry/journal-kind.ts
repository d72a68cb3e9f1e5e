/** What all journals can read of a record. */
export interface JournalRecord {
  /** When it happened, in milliseconds since 1970. */
  readonly t: number
}

/** A line of a journal as it stands, where everything may be missing. */
export type RawRecord<R> = { readonly [name in keyof R]?: R[name] }

/** Reads a line without its line feed; undefined for anything that is no line of version 1. */
export function readLine<R extends JournalRecord & { readonly v: 1 }>(line: string): RawRecord<R> | undefined {
  let raw: RawRecord<R> | null
  try {
    raw = JSON.parse(line) as RawRecord<R> | null
  } catch {
    return undefined
  }
  return typeof raw === 'object' && raw !== null && raw.v === 1 && Number.isFinite(raw.t) ? raw : undefined
}

/** What a journal keeps, and how. */
export interface JournalKind<Entry, R extends JournalRecord = JournalRecord> {
  /** What its files are called, see `JournalPlace`. */
  readonly name: string
  /** What operators call it. */
  readonly title: string
  /** What its entries are called, several of them. */
  readonly noun: string
  /** Its part of the room, from 0 to 1, that no other journal of the folder takes from it; what those leave is its as well. */
  readonly share: number
  /** One line, line feed included, which begins with `{"v":1,"t":` and the time: a reader finds its way by it. */
  readonly line: (entry: Entry) => string
  /** Reads a line without its line feed; undefined for anything that is none of this kind. */
  readonly parse: (line: string) => R | undefined
}

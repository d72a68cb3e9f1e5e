/** What LMDB says when a page is not what it must be, or after it has met such a page in the same transaction. */
const DAMAGE = new Set([
  -30797, // MDB_PAGE_NOTFOUND
  -30796, // MDB_CORRUPTED
  -30795, // MDB_PANIC
  -30793, // MDB_INVALID
  -30787, // MDB_CURSOR_FULL: deeper than any tree
  -30786, // MDB_PAGE_FULL
  -30784, // MDB_INCOMPATIBLE: a table of another kind
  -30782, // MDB_BAD_TXN
  -30781, // MDB_BAD_VALSIZE
])

/** Opening the store has shown that pages of its data file are damaged. */
export class DamagedFileError extends Error {
  /** @param inode Which file it is: by the time somebody mends it, another process may have replaced it. */
  constructor(
    readonly inode: number,
    cause: Error,
  ) {
    super(cause.message, { cause })
    this.name = 'DamagedFileError'
  }
}

/** True for what a damaged page makes of reading and writing; not for a full disk, nor for too many readers. */
export function isDamage(error: unknown): error is Error {
  // A record of ours that is no JSON any more.
  if (error instanceof SyntaxError) return true
  return error instanceof Error && DAMAGE.has((error as { code?: unknown }).code as number)
}

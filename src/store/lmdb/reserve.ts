import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const PAGE_BYTES = 4096
/** So much written room lies ready behind the pages in use: more than all processes can use up between two looks. */
const READY_BYTES = 4 * 2 ** 20
/** The room grows by so much at a time: half a millisecond of writing. */
const STEP_BYTES = 2 ** 20
/** Below this nothing is written any more, not even a heartbeat. */
const LAST_BYTES = 2 ** 18
/** A writer looks at the room when it may have used so much of it. */
const LOOK_PAGES = 128

const ZEROS = Buffer.alloc(STEP_BYTES)

/** What the environment says of its file. */
export interface Extent {
  readonly pageSize: number
  readonly lastPageNumber: number
}

export class DiskFullError extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.name = 'DiskFullError'
  }
}

/**
 * Keeps room on the disk ready for LMDB to grow into. LMDB must never meet a full disk itself: the error path of
 * lmdb-js 3.5 writes beyond a buffer (`sprintf` into `malloc(100)` in `mdb_page_flush`) and takes the process with it.
 * So the file is lengthened here, with zeros that LMDB later overwrites, and a full disk is an ordinary error of `write`.
 * On file systems that copy on write (btrfs, zfs) the room is a good guess rather than a promise.
 */
export class Reserve {
  private readonly file: number
  private usedPages = LOOK_PAGES

  constructor(
    path: string,
    private readonly extent: () => Extent,
  ) {
    this.file = openSync(join(path, 'data.mdb'), 'r+')
  }

  /**
   * Makes sure that `pages` more pages can be written. Call it within a write transaction, before it writes: nobody else
   * then touches the end of the file. Throws {@link DiskFullError}.
   */
  claim(pages: number): void {
    this.usedPages += pages
    if (this.usedPages < LOOK_PAGES) return
    const { pageSize, lastPageNumber } = this.extent()
    const used = (lastPageNumber + 1) * pageSize
    const ready = fstatSync(this.file).size - used
    const wanted = READY_BYTES + pages * PAGE_BYTES
    if (ready < wanted) this.lengthen(used, ready, wanted, LAST_BYTES + pages * PAGE_BYTES)
    this.usedPages = 0
  }

  close(): void {
    closeSync(this.file)
  }

  private lengthen(used: number, ready: number, wanted: number, needed: number): void {
    let room = Math.max(0, ready)
    try {
      while (room < wanted) room += writeSync(this.file, ZEROS, 0, STEP_BYTES, used + room)
    } catch (error) {
      if (room < needed) throw new DiskFullError(error)
    }
  }
}

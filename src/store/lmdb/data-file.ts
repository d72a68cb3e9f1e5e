import { closeSync, fstatSync, openSync, readSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { endianness } from 'node:os'
import { join } from 'node:path'

/** The layout of a meta page of LMDB's data format 2, which lmdb-js has, on 64-bit hosts: `MDB_page_header`, then `MDB_meta`. */
const FLAGS_AT = 18
const META_PAGE = 0x08
const HEADER_BYTES = 24
const MAGIC = 0xbeefc0de
const FORMAT = 2
const FORMAT_AT = HEADER_BYTES + 4
const PAGE_SIZE_AT = HEADER_BYTES + 24
const LAST_PAGE_AT = HEADER_BYTES + 120
/** Where a meta page has the number of the transaction that wrote it. */
export const TXN_AT = HEADER_BYTES + 128
const META_BYTES = HEADER_BYTES + 144

/** Files that were set aside are kept for people to look at, but only the latest. */
const KEEP_ASIDE = 3

export type DataFileFault = 'no database' | 'torn'

/**
 * Looks at the data file before LMDB does. LMDB believes its file: a process that reads a mapped page that is not there
 * is killed, and lmdb-js 3.5 crashes when LMDB refuses to open. So all that it would object to must be found here.
 * Returns undefined when there is nothing to object to, or no file. Throws when the file cannot be read and written.
 */
export function inspectDataFile(path: string): DataFileFault | undefined {
  let file: number
  try {
    file = openSync(dataFile(path), 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { size } = fstatSync(file)
    if (size === 0) return undefined
    const first = readMeta(file, 0)
    if (!first) return 'no database'
    const second = readMeta(file, first.pageSize)
    if (!second) return 'torn'
    const { lastPage } = second.txn > first.txn ? second : first
    return BigInt(size) < (lastPage + 1n) * BigInt(first.pageSize) ? 'torn' : undefined
  } finally {
    closeSync(file)
  }
}

/** Moves the data file out of the way, within its directory, since the directory may be a mount of its own. Returns its new name. */
export function setAside(path: string): string {
  const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const aside = `${dataFile(path)}.corrupt-${stamp}-${process.pid}`
  renameSync(dataFile(path), aside)
  rmSync(join(path, 'lock.mdb'), { force: true })
  const older = readdirSync(path).filter((name) => /^data\.mdb\.corrupt-[^.]*Z-\d+$/.test(name))
  for (const name of older.sort().slice(0, -KEEP_ASIDE)) rmSync(join(path, name), { force: true })
  return aside
}

export function dataFile(path: string): string {
  return join(path, 'data.mdb')
}

/** Undefined when there is no data file. */
export function inodeOf(path: string): number | undefined {
  return statSync(dataFile(path), { throwIfNoEntry: false })?.ino
}

interface Meta {
  readonly pageSize: number
  readonly lastPage: bigint
  readonly txn: bigint
}

function readMeta(file: number, at: number): Meta | undefined {
  const bytes = Buffer.alloc(META_BYTES)
  if (readSync(file, bytes, 0, META_BYTES, at) !== META_BYTES) return undefined
  // LMDB writes numbers as the host has them; a file from a host of the other kind has no magic here.
  const numbers = endianness() === 'LE' ? littleEndian(bytes) : bigEndian(bytes)
  const { flags, magic, format, pageSize } = numbers
  if ((flags & META_PAGE) === 0 || magic !== MAGIC || (format & 0xffff) !== FORMAT) return undefined
  // A power of two between 256 bytes and 64 kilobytes, says LMDB.
  if (pageSize < 256 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) return undefined
  return numbers
}

function littleEndian(bytes: Buffer) {
  return {
    flags: bytes.readUInt16LE(FLAGS_AT),
    magic: bytes.readUInt32LE(HEADER_BYTES),
    format: bytes.readUInt32LE(FORMAT_AT),
    pageSize: bytes.readUInt32LE(PAGE_SIZE_AT),
    lastPage: bytes.readBigUInt64LE(LAST_PAGE_AT),
    txn: bytes.readBigUInt64LE(TXN_AT),
  }
}

function bigEndian(bytes: Buffer) {
  const swapped = Buffer.from(bytes)
  swapped.subarray(FLAGS_AT, FLAGS_AT + 2).swap16()
  for (const at of [HEADER_BYTES, FORMAT_AT, PAGE_SIZE_AT]) swapped.subarray(at, at + 4).swap32()
  for (const at of [LAST_PAGE_AT, TXN_AT]) swapped.subarray(at, at + 8).swap64()
  return littleEndian(swapped)
}

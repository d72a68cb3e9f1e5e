import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { endianness } from 'node:os'
import { join } from 'node:path'
import { TXN_AT, dataFile } from './data-file'

/** In the lock file: u32 magic, u32 format, then the number of the latest transaction. */
const LATEST_AT = 8
const NUMBER_BYTES = 8
const WORD = 2 ** 32
const LITTLE = endianness() === 'LE'

/**
 * Guards against a fault of lmdb-js 3.5. Whoever opens an environment stores the number of the transaction that it found
 * to be the latest (`mdb_env_open2` sets `mti_txnid`) without holding the writers' lock. When others commit in between,
 * that sets the number back, the next transaction takes a number that was given already, and pages in use are given out
 * again: the file is then corrupt within a moment.
 *
 * The meta pages of the data file always tell the truth. So every transaction, once it holds the writers' lock, compares
 * the two, and when the number was set back it puts it right and starts over. Costs one read of the page cache.
 */
export class CommitOrder {
  private readonly data: number
  private readonly lock: number
  private readonly metas: Buffer

  /** After the environment was opened; {@link close} only after it was closed: closing a lock file drops its locks. */
  constructor(
    path: string,
    private readonly pageSize: number,
  ) {
    this.data = openSync(dataFile(path), 'r')
    this.lock = openSync(join(path, 'lock.mdb'), 'r+')
    this.metas = Buffer.alloc(pageSize + TXN_AT + NUMBER_BYTES)
  }

  /**
   * Within a transaction that has written nothing: whether its number follows the latest. When it does not, the latest
   * number has been put right, and the transaction must be given up and begun again.
   */
  follows(transaction: number): boolean {
    readSync(this.data, this.metas, 0, this.metas.length, 0)
    const latest = Math.max(this.numberAt(TXN_AT), this.numberAt(this.pageSize + TXN_AT))
    if (transaction === latest + 1) return true
    writeSync(this.lock, numberBytes(latest), 0, NUMBER_BYTES, LATEST_AT)
    return false
  }

  close(): void {
    closeSync(this.data)
    closeSync(this.lock)
  }

  private numberAt(at: number): number {
    const { metas } = this
    return LITTLE
      ? metas.readUInt32LE(at) + metas.readUInt32LE(at + 4) * WORD
      : metas.readUInt32BE(at) * WORD + metas.readUInt32BE(at + 4)
  }
}

function numberBytes(number: number): Buffer {
  const bytes = Buffer.alloc(NUMBER_BYTES)
  if (LITTLE) bytes.writeBigUInt64LE(BigInt(number))
  else bytes.writeBigUInt64BE(BigInt(number))
  return bytes
}

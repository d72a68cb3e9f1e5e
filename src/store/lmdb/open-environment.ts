import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { StoreError } from '../store'
import { wasInterrupted, writeMark } from './boot-mark'
import { DamagedFileError, isDamage } from './damage'
import { dataFile, inodeOf, inspectDataFile, setAside } from './data-file'
import { Environment } from './environment'
import { takeOpeningLock } from './opening-lock'
import { rescue } from './rescue'
import { DiskFullError } from './reserve'

const ROOM_FOR_NEW_BYTES = 16 * 2 ** 20

export type Notice = (message: string) => void

/**
 * Opens the LMDB environment in a directory, which is made when it is not there, and has `enter` begin to work on it. A
 * file that is no database, that the host's end has made doubtful, or in which any of this meets damaged pages, is set
 * aside and what can be read of it carried over; `notice` hears of it. `enter` is then called once more.
 * Rejects with {@link StoreError} STORE_UNUSABLE when the directory cannot be used.
 */
export async function openEnvironment<T>(
  path: string,
  notice: Notice,
  enter: (environment: Environment) => Promise<T>,
): Promise<T> {
  try {
    return await openAndEnter(path, notice, enter).catch((error: unknown) => {
      if (error instanceof DamagedFileError) return openAndEnter(path, notice, enter, error)
      throw error
    })
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw new StoreError('STORE_UNUSABLE', `${what(error)} (store.path ${path}). ${remedy(error)}`, { cause: error })
  }
}

async function openAndEnter<T>(
  path: string,
  notice: Notice,
  enter: (environment: Environment) => Promise<T>,
  damage?: DamagedFileError,
): Promise<T> {
  const environment = await openMended(path, notice, damage)
  try {
    return await enter(environment)
  } catch (error) {
    await environment.close()
    throw isDamage(error) ? new DamagedFileError(environment.inode, error) : error
  }
}

async function openMended(path: string, notice: Notice, damage?: DamagedFileError): Promise<Environment> {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const release = await takeOpeningLock(path)
  try {
    await mendIfNeeded(path, notice, damage)
    requireRoom(path)
    requireLockFile(path)
    writeMark(path)
    return Environment.open(path)
  } catch (error) {
    throw isDamage(error) ? new DamagedFileError(inodeOf(path)!, error) : error
  } finally {
    release()
  }
}

async function mendIfNeeded(path: string, notice: Notice, damage?: DamagedFileError): Promise<void> {
  const isDamaged = damage !== undefined && damage.inode === inodeOf(path)
  const fault = inspectDataFile(path) ?? (isDamaged ? 'damaged' : undefined)
  if (fault === 'no database') {
    notice(`store: ${path}/data.mdb is no LMDB database; set aside as ${setAside(path)}, counts start anew`)
    return
  }
  if (fault === undefined && !(wasInterrupted(path) && existsSync(dataFile(path)))) return
  requireFree(path, statSync(dataFile(path)).size + ROOM_FOR_NEW_BYTES)
  const aside = setAside(path)
  const { kept, complete } = await rescue(aside, path)
  const why = fault ? faultText(fault, damage) : 'was in use when the host went down'
  if (complete && !fault) rmSync(aside, { force: true })
  const rest = complete && !fault ? 'all keys carried over' : `${kept} keys carried over, the old file is ${aside}`
  notice(`store: ${path}/data.mdb ${why}; ${rest}`)
}

function faultText(fault: 'torn' | 'damaged', damage?: DamagedFileError): string {
  return fault === 'torn' ? 'is shorter than it says' : `is damaged (${damage?.message})`
}

/** A new database is written by LMDB itself, which must not meet a full disk; see `reserve.ts`. */
function requireRoom(path: string): void {
  if (!existsSync(dataFile(path))) requireFree(path, ROOM_FOR_NEW_BYTES)
}

function requireFree(path: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(path)
  const free = bavail * bsize
  if (free < bytes) throw new DiskFullError(`${free} bytes are free on its disk, ${bytes} are needed`)
}

/**
 * As the data file, see `data-file.ts`: what LMDB cannot open must be found before LMDB tries. The file is not opened for
 * that, since closing it again would drop the locks this process may have on it.
 */
function requireLockFile(path: string): void {
  const file = join(path, 'lock.mdb')
  if (!existsSync(file)) return
  accessSync(file, constants.R_OK | constants.W_OK)
  if (!statSync(file).isFile()) throw Object.assign(new Error(`${file} is no file`), { code: 'EISDIR' })
}

function what(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function remedy(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') return 'Make the directory belong to the user that Haraka runs as.'
  if (code === 'EROFS') return 'Choose a directory on a file system that can be written to.'
  if (code === 'ENOTDIR' || code === 'EEXIST' || code === 'EISDIR')
    return 'A file is where a directory is needed or the other way round: move it or choose another path.'
  if (code === 'ENOSPC' || code === 'EDQUOT' || (error as Error).name === 'DiskFullError')
    return 'Make room on the disk.'
  return 'Choose another directory, or move this one away to start with empty counts.'
}

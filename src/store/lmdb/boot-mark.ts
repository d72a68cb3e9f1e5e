import { closeSync, fsyncSync, openSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { whoAmI } from './process-identity'

const SUSPECT = 'suspect'

/**
 * A mark that says during which boot of the host the store was in use. Commits are not synced one by one, so when the
 * mark of another boot is found, the host went down under an open store and the data file may be a mix of old and new
 * pages, which no look at it would show.
 *
 * It is a symbolic link that leads nowhere, since that can be made on a full disk; see `opening-lock.ts`.
 */
export function wasInterrupted(path: string): boolean {
  const mark = readMark(path)
  return mark !== undefined && mark !== whoAmI().boot
}

/** Must be on disk before the first commit is. */
export function writeMark(path: string): void {
  if (readMark(path) !== whoAmI().boot) put(path, whoAmI().boot)
}

/** After the data file is on disk and nobody has it open. */
export function clearMark(path: string): void {
  if (readMark(path) === whoAmI().boot) rmSync(fileOf(path), { force: true })
}

/** Has the next one to open the store rescue what is readable instead of trusting the file. */
export function markSuspect(path: string): void {
  put(path, SUSPECT)
}

/** There is one mark or the other at any time, also when the host goes down in the middle. */
function put(path: string, mark: string): void {
  const fresh = `${fileOf(path)}-${process.pid}`
  rmSync(fresh, { force: true })
  symlinkSync(mark, fresh)
  renameSync(fresh, fileOf(path))
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

function readMark(path: string): string | undefined {
  try {
    return readlinkSync(fileOf(path))
  } catch {
    return readOldMark(path)
  }
}

/** Earlier versions made a file. */
function readOldMark(path: string): string | undefined {
  try {
    return readFileSync(fileOf(path), 'latin1').trim()
  } catch {
    return undefined
  }
}

function fileOf(path: string): string {
  return join(path, 'in-use')
}

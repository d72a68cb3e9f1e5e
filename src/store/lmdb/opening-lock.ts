import { createHash } from 'node:crypto'
import { lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { StoreError } from '../store'
import { mayLive, whoAmI } from './process-identity'

const POLL_MS = 10
/** Longer than a rescue may take. */
const STALE_AFTER_MS = 120_000
/** Taking over takes no time at all. */
const TAKEOVER_STALE_AFTER_MS = 2000
const DIGEST_DIGITS = 12

/**
 * Lets one process at a time look at the files and mend them; LMDB's own lock lives in files that mending replaces.
 * Released by the returned function. A lock whose holder died is taken over.
 *
 * The lock is a symbolic link that leads to nowhere but names its holder: on a full disk it can still be made. File
 * systems keep a short one within the inode, ext4 up to 59 bytes.
 */
export async function takeOpeningLock(path: string): Promise<() => void> {
  const file = join(path, 'opening')
  const holder = describeSelf()
  const until = Date.now() + STALE_AFTER_MS
  for (;;) {
    if (makeLink(holder, file)) {
      return () => {
        // After so long that it was taken over, it is another's.
        if (readHolder(file) === holder) rmSync(file, { force: true })
      }
    }
    if (isStale(file) && removeStale(file)) continue
    if (Date.now() > until) {
      throw new StoreError(
        'STORE_UNUSABLE',
        `another process has been opening ${path} for long; remove ${file} if none is`,
      )
    }
    await delay(POLL_MS)
  }
}

/**
 * One process at a time, and only after another look: of two that have found the same stale lock, the second must not
 * remove what the first has made since. Returns false when another is at it.
 */
function removeStale(file: string): boolean {
  const guard = `${file}-takeover`
  if (!makeLink(describeSelf(), guard)) {
    // It comes to the next round, by which all who have seen it stale have removed it.
    if (ageMs(guard) > TAKEOVER_STALE_AFTER_MS) rmSync(guard, { force: true })
    return false
  }
  try {
    if (isStale(file)) rmSync(file, { force: true })
  } finally {
    rmSync(guard, { force: true })
  }
  return true
}

/** Returns false when there is something of that name. */
function makeLink(text: string, file: string): boolean {
  try {
    symlinkSync(text, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function isStale(file: string): boolean {
  const holder = readHolder(file)
  if (holder === undefined) return false
  return ageMs(file) > STALE_AFTER_MS || !holderMayLive(holder)
}

/** Undefined when there is no lock. Empty, which is nobody, for a file: earlier versions made one. */
function readHolder(file: string): string | undefined {
  try {
    return readlinkSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code === 'EINVAL') return ''
    throw error
  }
}

function ageMs(file: string): number {
  const found = lstatSync(file, { throwIfNoEntry: false })
  return found ? Date.now() - found.mtimeMs : 0
}

/** A {@link ProcessIdentity} in few bytes. */
function describeSelf(): string {
  const { pid, born, boot, space } = whoAmI()
  return [pid, born, digest(boot), digest(space)].join(':')
}

function holderMayLive(holder: string): boolean {
  const me = whoAmI()
  const [pid, born, boot, space] = holder.split(':')
  return mayLive({
    pid: Number(pid),
    born: born ?? '',
    boot: boot === digest(me.boot) ? me.boot : '',
    space: space === digest(me.space) ? me.space : 'another',
  })
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, DIGEST_DIGITS)
}

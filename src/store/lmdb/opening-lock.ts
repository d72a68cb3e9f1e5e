import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { StoreError } from '../store'
import { type ProcessIdentity, mayLive, whoAmI } from './process-identity'

const POLL_MS = 10
/** Longer than a rescue may take. */
const STALE_AFTER_MS = 120_000

/**
 * Lets one process at a time look at the files and mend them; LMDB's own lock lives in files that mending replaces.
 * Released by the returned function. A lock whose holder died is taken over.
 */
export async function takeOpeningLock(path: string): Promise<() => void> {
  const file = join(path, 'opening')
  const until = Date.now() + STALE_AFTER_MS
  for (;;) {
    try {
      writeFileSync(file, JSON.stringify(whoAmI()), { flag: 'wx', mode: 0o600 })
      return () => rmSync(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (isStale(file)) rmSync(file, { force: true })
    else if (Date.now() > until) {
      throw new StoreError(
        'STORE_UNUSABLE',
        `another process has been opening ${path} for long; remove ${file} if none is`,
      )
    } else await delay(POLL_MS)
  }
}

function isStale(file: string): boolean {
  try {
    const ageMs = Date.now() - statSync(file).mtimeMs
    // An empty file is one that is being written just now.
    const text = readFileSync(file, 'utf8')
    if (text === '') return ageMs > 1000
    return ageMs > STALE_AFTER_MS || !mayLive(JSON.parse(text) as ProcessIdentity)
  } catch (error) {
    // Gone in the meantime, or no JSON: the first is tried again at once, the second is nobody's lock.
    return !((error as NodeJS.ErrnoException).code === 'ENOENT')
  }
}

import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { LEAST_KEY_BYTES, Sealer } from './seal'

const OTHERS_MAY = 0o007
const MOST_KEYS = 4

/**
 * The keys that traces are sealed with, from a file that its owner alone may read; made when it is not there. A line for
 * each key, base64url of at least 32 bytes: the first seals, all open, so a new one is put above the old one. Lines that
 * begin with # say nothing. Throws an Error that says what is wrong with the file and how to mend it; it never quotes it.
 */
export function readKeys(file: string, onNotice: (message: string) => void): Sealer {
  const text = readOrMake(file)
  if ((statSync(file).mode & OTHERS_MAY) !== 0) {
    onNotice(`feedback: everybody on this host can read ${file}, and forge what is said of mail; chmod o= ${file}`)
  }
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const keys = lines.map((line) => Buffer.from(line, 'base64url'))
  const isGood = lines.every((line) => /^[A-Za-z0-9_-]+$/.test(line))
  if (isGood && keys.length > 0 && keys.length <= MOST_KEYS && keys.every(({ length }) => length >= LEAST_KEY_BYTES)) {
    return new Sealer(keys)
  }
  throw new Error(
    `${file} holds no keys: 1 to ${MOST_KEYS} lines of base64url, ${LEAST_KEY_BYTES} bytes each; or remove it, and what is out there can be tied to nothing any more`,
  )
}

function readOrMake(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o750 })
  // Written whole before it has its name: workers start at the same moment, and all must read the same.
  const own = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(own, randomBytes(LEAST_KEY_BYTES).toString('base64url') + '\n', { mode: 0o600, flag: 'wx' })
  try {
    linkSync(own, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(own, { force: true })
  }
  return readFileSync(file, 'utf8')
}

import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const LEAST_LENGTH = 16

/**
 * The secret in the first line of a file, which is made when it is not there. Throws an Error that says what is wrong with it
 * and how to mend it.
 */
export function readSecret(file: string): string {
  const secret = readOrMake(file).split('\n', 1)[0]!.trim()
  if (secret.length >= LEAST_LENGTH) return secret
  throw new Error(`${file} holds no secret: one line of at least ${LEAST_LENGTH} characters; or remove it`)
}

function readOrMake(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const fresh = `${randomBytes(32).toString('base64url')}\n`
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o750 })
  try {
    writeFileSync(file, fresh, { mode: 0o600, flag: 'wx' })
    return fresh
  } catch (error) {
    // Another process was first.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return readFileSync(file, 'utf8')
    throw error
  }
}

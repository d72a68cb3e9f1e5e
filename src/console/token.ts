import { randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const LEAST_LENGTH = 16

/**
 * The token that changes over HTTP need, from a file that its owner alone may read; made when it is not there.
 * Throws an Error that says what is wrong with the file and how to mend it.
 */
export function readToken(file: string): string {
  const known = readOrMake(file)
  const token = known.split('\n', 1)[0]!.trim()
  if (token.length >= LEAST_LENGTH && /^[\x21-\x7e]+$/.test(token)) return token
  throw new Error(`${file} holds no token: one line of at least ${LEAST_LENGTH} letters and digits; or remove it`)
}

function readOrMake(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const fresh = randomBytes(24).toString('base64url') + '\n'
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

/** Failed attempts in a minute before everybody has to wait: a token cannot be guessed, and the log stays readable. */
const MOST_FAILURES = 20
const MINUTE_MS = 60_000

/** Tells who knows the token, without telling by the time it takes. */
export class TokenGuard {
  private failures = 0
  private minute = 0

  constructor(private readonly token: string) {}

  /** @param authorization the header, `Bearer TOKEN` (RFC 6750) */
  check(authorization: string | undefined, now: number): 'ok' | 'wrong' | 'later' {
    const minute = Math.floor(now / MINUTE_MS)
    if (minute !== this.minute) [this.minute, this.failures] = [minute, 0]
    if (this.failures >= MOST_FAILURES) return 'later'
    const given = Buffer.from(/^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1] ?? '')
    const wanted = Buffer.from(this.token)
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) return 'ok'
    this.failures++
    return 'wrong'
  }
}

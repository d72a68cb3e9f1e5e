import { randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const LEAST_LENGTH = 16
/** A group may be meant to: that of the program which bans. */
const OTHERS_MAY_READ = 0o004

/**
 * The token that changes over HTTP need, from a file that its owner alone may read; made when it is not there.
 * Throws an Error that says what is wrong with the file and how to mend it; one that everybody may read is told.
 */
export function readToken(file: string, onNotice: (message: string) => void): string {
  const known = readOrMake(file)
  if ((statSync(file).mode & OTHERS_MAY_READ) !== 0) {
    onNotice(`http: everybody on this host can read ${file} and ban whom he likes; chmod o-r ${file}`)
  }
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

/**
 * Wrong tokens in a minute before the answer is to wait. Who has the right one never waits: somebody who guesses must not
 * keep the programs out that ban him, and so long a token is not found by guessing.
 */
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
    const given = Buffer.from(/^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1] ?? '')
    const wanted = Buffer.from(this.token)
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) return 'ok'
    if (this.failures >= MOST_FAILURES) return 'later'
    this.failures++
    return 'wrong'
  }
}

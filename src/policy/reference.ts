import { createHash, randomBytes } from 'node:crypto'

/** Crockford's base 32: no letter that a person misreads on the telephone. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const LENGTH = 7
const POOL_BYTES = 700

let pool = Buffer.alloc(0)
let used = 0

/** A short random reference, unique enough within the days that a decision log is kept (35 bits). */
export function newReference(): string {
  if (used + LENGTH > pool.length) {
    pool = randomBytes(POOL_BYTES)
    used = 0
  }
  used += LENGTH
  return spell(pool, used - LENGTH)
}

/** The reference of something that is found again and again, such as a ban: the same each time, in every process. */
export function referenceOf(text: string): string {
  return spell(createHash('sha256').update(text).digest(), 0)
}

function spell(bytes: Buffer, start: number): string {
  let text = ''
  for (let index = start; index < start + LENGTH; index++) text += ALPHABET[bytes[index]! & 31]
  return text
}

import { randomBytes } from 'node:crypto'

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
  let text = ''
  for (let index = 0; index < LENGTH; index++) text += ALPHABET[pool[used++]! & 31]
  return text
}

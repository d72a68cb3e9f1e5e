/**
 * How a state lies in LMDB: `u48 expiresAt`, then the bytes of `engine/codec.ts`. The expiry is in front so that the
 * sweeper reads six bytes of a value and decodes nothing.
 */
import { decodeState, encodeState } from '../engine/codec'
import { type State, expiryOf } from '../engine/state'

const EXPIRY_BYTES = 6
const MAX_U48 = 2 ** 48 - 1

export function encodeRecord(state: State): Buffer {
  const bytes = encodeState(state, EXPIRY_BYTES)
  bytes.writeUIntBE(Math.min(MAX_U48, Math.ceil(expiryOf(state))), 0, EXPIRY_BYTES)
  return bytes
}

/** Returns undefined for bytes that are no record: the key then starts anew, which forgets a count and refuses nobody. */
export function decodeRecord(bytes: Buffer): State | undefined {
  if (bytes.length <= EXPIRY_BYTES) return undefined
  // The end is named because LMDB hands out one large reused buffer that only says that it is shorter.
  return decodeState(bytes.subarray(EXPIRY_BYTES, bytes.length))
}

/** When a record says nothing any more, in milliseconds since 1970; 0 for bytes that are no record. */
export function recordExpiry(bytes: Buffer): number {
  return bytes.length <= EXPIRY_BYTES ? 0 : bytes.readUIntBE(0, EXPIRY_BYTES)
}

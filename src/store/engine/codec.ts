/**
 * How a state is written down, in LMDB and in Redis alike (the Lua scripts read and write the same bytes). All integers
 * are unsigned and big-endian; u48 holds milliseconds since 1970 and running totals.
 *
 * window: `w` u8:tapes, then for each tape u48:windowMs u48:base u16:entries, then entries × (u48:time u48:total)
 * rate:   `r` f64:tat
 * lease:  `l` then holders × (12 ASCII bytes:id u48:expiresAt)
 * triplet: `g` u48:firstAt u48:expiresAt u32:passes
 */
import { LEASE_ID_LENGTH } from '../store'
import type { LeaseState, RateState, State, TripletState, WindowState } from './state'
import type { Tape } from './tape'

const TAG_WINDOW = 0x77
const TAG_RATE = 0x72
const TAG_LEASE = 0x6c
const TAG_TRIPLET = 0x67
const TRIPLET_BYTES = 17
const TAPE_HEADER_BYTES = 14
const ENTRY_BYTES = 12
const HOLDER_BYTES = LEASE_ID_LENGTH + 6
const MAX_TAPES = 16

/** Writes a state down, after `room` bytes that are left for the caller to fill: a store that keeps more than the state saves a copy. */
export function encodeState(state: State, room = 0): Buffer {
  switch (state.op) {
    case 'window':
      return encodeWindows(state, room)
    case 'rate':
      return encodeRate(state, room)
    case 'lease':
      return encodeLeases(state, room)
    case 'triplet':
      return encodeTriplet(state, room)
  }
}

/** Returns undefined for bytes that are no state: the key then starts anew, which forgets a count and refuses nobody. */
export function decodeState(bytes: Buffer): State | undefined {
  const tag = bytes[0]
  if (tag === TAG_WINDOW) return decodeWindows(bytes)
  if (tag === TAG_RATE) return decodeRate(bytes)
  if (tag === TAG_LEASE) return decodeLeases(bytes)
  if (tag === TAG_TRIPLET) return decodeTriplet(bytes)
  return undefined
}

function encodeWindows({ tapes }: WindowState, room: number): Buffer {
  let length = room + 2
  for (const tape of tapes) length += TAPE_HEADER_BYTES + (tape.entries.length / 2) * ENTRY_BYTES
  const bytes = Buffer.allocUnsafe(length)
  bytes[room] = TAG_WINDOW
  bytes[room + 1] = tapes.length
  let at = room + 2
  for (const tape of tapes) {
    at = bytes.writeUIntBE(tape.windowMs, at, 6)
    at = bytes.writeUIntBE(tape.base, at, 6)
    at = bytes.writeUInt16BE(tape.entries.length / 2, at)
    for (const number of tape.entries) at = bytes.writeUIntBE(number, at, 6)
  }
  return bytes
}

function decodeWindows(bytes: Buffer): WindowState | undefined {
  const count = bytes[1] ?? 0
  if (count === 0 || count > MAX_TAPES) return undefined
  const tapes: Tape[] = []
  let at = 2
  for (let index = 0; index < count; index++) {
    if (at + TAPE_HEADER_BYTES > bytes.length) return undefined
    const windowMs = bytes.readUIntBE(at, 6)
    const base = bytes.readUIntBE(at + 6, 6)
    const numbers = bytes.readUInt16BE(at + 12) * 2
    at += TAPE_HEADER_BYTES
    if (at + numbers * 6 > bytes.length) return undefined
    const entries = new Array<number>(numbers)
    for (let number = 0; number < numbers; number++, at += 6) entries[number] = bytes.readUIntBE(at, 6)
    tapes.push({ windowMs, base, entries })
  }
  return at === bytes.length ? { op: 'window', tapes, noted: false } : undefined
}

function encodeRate({ tat }: RateState, room: number): Buffer {
  const bytes = Buffer.allocUnsafe(room + 9)
  bytes[room] = TAG_RATE
  bytes.writeDoubleBE(tat, room + 1)
  return bytes
}

function decodeRate(bytes: Buffer): RateState | undefined {
  if (bytes.length !== 9) return undefined
  const tat = bytes.readDoubleBE(1)
  return Number.isFinite(tat) && tat >= 0 ? { op: 'rate', tat, noted: false } : undefined
}

function encodeLeases({ holders }: LeaseState, room: number): Buffer {
  const bytes = Buffer.allocUnsafe(room + 1 + holders.length * HOLDER_BYTES)
  bytes[room] = TAG_LEASE
  let at = room + 1
  for (const holder of holders) {
    bytes.write(holder.id, at, LEASE_ID_LENGTH, 'latin1')
    at = bytes.writeUIntBE(holder.expiresAt, at + LEASE_ID_LENGTH, 6)
  }
  return bytes
}

function decodeLeases(bytes: Buffer): LeaseState | undefined {
  if ((bytes.length - 1) % HOLDER_BYTES !== 0) return undefined
  const holders: LeaseState['holders'] = []
  for (let at = 1; at < bytes.length; at += HOLDER_BYTES) {
    const id = bytes.toString('latin1', at, at + LEASE_ID_LENGTH)
    holders.push({ id, expiresAt: bytes.readUIntBE(at + LEASE_ID_LENGTH, 6) })
  }
  return { op: 'lease', holders, noted: false }
}

function encodeTriplet({ firstAt, expiresAt, passes }: TripletState, room: number): Buffer {
  const bytes = Buffer.allocUnsafe(room + TRIPLET_BYTES)
  bytes[room] = TAG_TRIPLET
  const at = bytes.writeUIntBE(firstAt, room + 1, 6)
  bytes.writeUInt32BE(passes, bytes.writeUIntBE(expiresAt, at, 6))
  return bytes
}

function decodeTriplet(bytes: Buffer): TripletState | undefined {
  if (bytes.length !== TRIPLET_BYTES) return undefined
  const [firstAt, expiresAt, passes] = [bytes.readUIntBE(1, 6), bytes.readUIntBE(7, 6), bytes.readUInt32BE(13)]
  return { op: 'triplet', firstAt, expiresAt, passes, noted: false }
}

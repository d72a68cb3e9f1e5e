/**
 * How a state is written down, in LMDB and in Redis alike (the Lua scripts read and write the same bytes). All integers
 * are unsigned and big-endian; u48 holds milliseconds since 1970 and running totals.
 *
 * window: `w` u8:tapes, then for each tape u48:windowMs u48:base u16:entries, then entries × (u48:time u48:total)
 * rate:   `r` f64:tat; once a slot was reserved ahead `a` f64:tat u48:writtenAt, so that neither is taken for the other cut off
 * lease:  `l` then holders × (12 ASCII bytes:id u48:expiresAt)
 * triplet: `g` u48:firstAt u48:expiresAt u32:passes
 * merit:  `m` u32:samples u16:mean + 10,000 u48:lastAt u48:expiresAt u48:halfLifeMs
 * distinct: `d` u48:startedAt u48:windowMs u16:set u16:newerSet, then 128 bytes of the older generation and 128 of the
 *         newer; bit b is in byte b / 8, the lowest first
 */
import { LEASE_ID_LENGTH } from '../store'
import { MEAN_UNITS } from './merit'
import { SKETCH_BITS, SKETCH_BYTES } from './sketch'
import type { DistinctState, LeaseState, MeritState, RateState, State, TripletState, WindowState } from './state'
import type { Tape } from './tape'

const TAG_WINDOW = 0x77
const TAG_RATE = 0x72
const TAG_RESERVED_RATE = 0x61
const TAG_LEASE = 0x6c
const TAG_TRIPLET = 0x67
const TAG_MERIT = 0x6d
const TAG_DISTINCT = 0x64
const RATE_BYTES = 9
const RESERVED_RATE_BYTES = 15
const TRIPLET_BYTES = 17
const MERIT_BYTES = 25
const DISTINCT_HEADER_BYTES = 17
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
    case 'merit':
      return encodeMerit(state, room)
    case 'distinct':
      return encodeDistinct(state, room)
  }
}

/** Returns undefined for bytes that are no state: the key then starts anew, which forgets a count and refuses nobody. */
export function decodeState(bytes: Buffer): State | undefined {
  const tag = bytes[0]
  if (tag === TAG_WINDOW) return decodeWindows(bytes)
  if (tag === TAG_RATE || tag === TAG_RESERVED_RATE) return decodeRate(bytes)
  if (tag === TAG_LEASE) return decodeLeases(bytes)
  if (tag === TAG_TRIPLET) return decodeTriplet(bytes)
  if (tag === TAG_MERIT) return decodeMerit(bytes)
  if (tag === TAG_DISTINCT) return decodeDistinct(bytes)
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

function encodeRate({ tat, writtenAt }: RateState, room: number): Buffer {
  const bytes = Buffer.allocUnsafe(room + (writtenAt === undefined ? RATE_BYTES : RESERVED_RATE_BYTES))
  bytes[room] = writtenAt === undefined ? TAG_RATE : TAG_RESERVED_RATE
  const at = bytes.writeDoubleBE(tat, room + 1)
  if (writtenAt !== undefined) bytes.writeUIntBE(writtenAt, at, 6)
  return bytes
}

function decodeRate(bytes: Buffer): RateState | undefined {
  const isReserved = bytes[0] === TAG_RESERVED_RATE
  if (bytes.length !== (isReserved ? RESERVED_RATE_BYTES : RATE_BYTES)) return undefined
  const tat = bytes.readDoubleBE(1)
  if (!Number.isFinite(tat) || tat < 0) return undefined
  if (!isReserved) return { op: 'rate', tat, noted: false }
  return { op: 'rate', tat, writtenAt: bytes.readUIntBE(RATE_BYTES, 6), noted: false }
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

function encodeMerit({ samples, mean, lastAt, expiresAt, halfLifeMs }: MeritState, room: number): Buffer {
  const bytes = Buffer.allocUnsafe(room + MERIT_BYTES)
  bytes[room] = TAG_MERIT
  let at = bytes.writeUInt32BE(samples, room + 1)
  at = bytes.writeUInt16BE(mean + MEAN_UNITS, at)
  for (const number of [lastAt, expiresAt, halfLifeMs]) at = bytes.writeUIntBE(number, at, 6)
  return bytes
}

function decodeMerit(bytes: Buffer): MeritState | undefined {
  if (bytes.length !== MERIT_BYTES) return undefined
  const [samples, mean] = [bytes.readUInt32BE(1), bytes.readUInt16BE(5) - MEAN_UNITS]
  if (mean > MEAN_UNITS) return undefined
  const [lastAt, expiresAt, halfLifeMs] = [bytes.readUIntBE(7, 6), bytes.readUIntBE(13, 6), bytes.readUIntBE(19, 6)]
  return { op: 'merit', samples, mean, lastAt, expiresAt, halfLifeMs, noted: false }
}

function encodeDistinct({ startedAt, windowMs, set, newerSet, bits }: DistinctState, room: number): Buffer {
  const bytes = Buffer.allocUnsafe(room + DISTINCT_HEADER_BYTES + 2 * SKETCH_BYTES)
  bytes[room] = TAG_DISTINCT
  let at = bytes.writeUIntBE(startedAt, room + 1, 6)
  at = bytes.writeUIntBE(windowMs, at, 6)
  at = bytes.writeUInt16BE(newerSet, bytes.writeUInt16BE(set, at))
  bytes.set(bits, at)
  return bytes
}

function decodeDistinct(bytes: Buffer): DistinctState | undefined {
  if (bytes.length !== DISTINCT_HEADER_BYTES + 2 * SKETCH_BYTES) return undefined
  const [startedAt, windowMs] = [bytes.readUIntBE(1, 6), bytes.readUIntBE(7, 6)]
  const [set, newerSet] = [bytes.readUInt16BE(13), bytes.readUInt16BE(15)]
  if (set > SKETCH_BITS || newerSet > set) return undefined
  // A copy: the bytes may lie in a buffer that is used again.
  const bits = Uint8Array.from(bytes.subarray(DISTINCT_HEADER_BYTES))
  return { op: 'distinct', windowMs, startedAt, set, newerSet, bits, noted: false }
}

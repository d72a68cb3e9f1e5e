import { createHash } from 'node:crypto'

/**
 * To whom a message went, in few bytes: a Bloom filter (Bloom, CACM 13:7, 1970). It never denies a recipient. It takes
 * another address for one with a chance of 1 in some millions for a few recipients, 1 in 1,000 for a hundred, and says
 * less and less for more: then only their number bounds what can be said of the message.
 */
const BITS_EACH = 16
const LEAST_BYTES = 8
const MOST_BYTES = 256
const PROBES = 8

export function recipientSet(addresses: readonly string[]): Buffer {
  const bytes = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, Math.ceil((addresses.length * BITS_EACH) / 8)))
  const set = Buffer.alloc(bytes)
  for (const address of addresses) for (const bit of probes(address, bytes)) set[bit >> 3]! |= 1 << (bit & 7)
  return set
}

export function mayHold(set: Buffer, address: string): boolean {
  return probes(address, set.length).every((bit) => (set[bit >> 3]! & (1 << (bit & 7))) !== 0)
}

/** One address has several spellings of case (RFC 5321 §2.4: none that matters for those who report). */
export function foldAddress(address: string): string {
  return address.trim().replace(/^<|>$/g, '').toLowerCase()
}

function probes(address: string, bytes: number): number[] {
  const digest = createHash('sha256').update(foldAddress(address)).digest()
  return Array.from({ length: PROBES }, (_, index) => digest.readUInt32BE(index * 4) % (bytes * 8))
}

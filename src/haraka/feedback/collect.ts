import { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { Transaction } from '../types'

/** The message, or its first so many bytes; the rest is read and passed over. Lines end with a line feed. */
export async function collectMessage({ message_stream: stream }: Transaction, mostBytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  const sink = new Writable({
    write(part: Buffer, _encoding, done) {
      const kept = part.subarray(0, mostBytes - length)
      if (kept.length > 0) parts.push(kept)
      length += kept.length
      done()
    },
  })
  stream.pipe(sink, { line_endings: '\n' })
  await finished(sink)
  return Buffer.concat(parts)
}

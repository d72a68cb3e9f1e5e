import assert from 'node:assert/strict'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Writable } from 'node:stream'
import { leaveUnwritten } from '../../../../src/haraka/outbound/unwritten'

describe('a queue file that cannot be written', () => {
  /** As process_delivery of Haraka does it: what closes gets its name. */
  async function queued(stream: Writable): Promise<string[]> {
    const seen: string[] = []
    stream.on('close', () => seen.push('named'))
    stream.on('error', () => seen.push('removed'))
    const outbound = {
      build_todo: (_todo: object, into: { write(bytes: Buffer): boolean }, done: () => void) => {
        into.write(Buffer.from('head'))
        done()
      },
    }
    leaveUnwritten(outbound)
    outbound.build_todo({}, stream, () => stream.end('body'))
    await new Promise((resolve) => stream.on('close', () => setImmediate(resolve)))
    return seen
  }

  it('is no message, whatever else closes', async () => {
    assert.deepEqual(await queued(createWriteStream('/dev/full')), ['removed'])
  })

  it('is one where it can be', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-unwritten-'))
    assert.deepEqual(await queued(createWriteStream(path.join(folder, 'file'))), ['named'])
    rmSync(folder, { recursive: true })
  })
})

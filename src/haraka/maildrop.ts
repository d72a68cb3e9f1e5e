import { randomBytes } from 'node:crypto'
import { createWriteStream, mkdirSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { PassThrough } from 'node:stream'
import type { EnvelopeAddress, Transaction } from './types'

/** Names longer than this are cut; a file system takes 255 bytes. */
const MAX_NAME = 100

/**
 * Keeps a message as one file for each recipient: `FOLDER/DOMAIN/USER/TIME.ID.eml`, complete or not there at all: it is
 * written beside its place, synced, then renamed. Rejects when any copy could not be written; none is left behind.
 */
export async function keepMessage(
  folder: string,
  transaction: Transaction,
  recipients: readonly EnvelopeAddress[],
): Promise<string[]> {
  const written: string[] = []
  try {
    for (const recipient of recipients) {
      const place = placeFor(folder, recipient)
      mkdirSync(path.dirname(place), { recursive: true, mode: 0o750 })
      await writeWhole(place, transaction)
      written.push(place)
    }
    return written
  } catch (error) {
    await Promise.all(written.map((file) => rm(file, { force: true })))
    throw error
  }
}

function placeFor(folder: string, { user, host }: EnvelopeAddress): string {
  const name = `${Date.now()}.${randomBytes(5).toString('hex')}.eml`
  return path.join(folder, safeName(host ?? ''), safeName(user ?? ''), name)
}

/** An address part as the name of a folder: nothing in it can climb out or hide. */
export function safeName(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9._@=+-]/g, '_')
    .replace(/^\./, '_')
    .slice(0, MAX_NAME)
  return name === '' ? '_' : name
}

async function writeWhole(place: string, transaction: Transaction): Promise<void> {
  const unfinished = `${place}.part`
  try {
    // Haraka's message stream cannot be read by an async iterator; it pipes, and again for each copy.
    const through = new PassThrough()
    transaction.message_stream.pipe(through, { line_endings: '\n' })
    await pipeline(through, createWriteStream(unfinished, { flags: 'wx', mode: 0o640 }))
    const file = await open(unfinished, 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(unfinished, place)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

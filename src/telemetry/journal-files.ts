import { readdir, stat, unlink } from 'node:fs/promises'
import path from 'node:path'

/** One file of a journal. `number` counts the files of one writer on one day from 1. */
export interface JournalFile {
  readonly path: string
  /** Of its journal. */
  readonly name: string
  /** UTC day on which its lines were written, `2026-08-04`. */
  readonly day: string
  readonly writer: string
  readonly number: number
}

export interface StoredFile extends JournalFile {
  readonly sizeBytes: number
  /** Time of the last write. */
  readonly writtenAt: number
}

const NAME = /^([a-z]{1,32})-(\d{4}-\d{2}-\d{2})\.([A-Za-z0-9_-]{1,32})\.(\d{1,9})\.jsonl$/
const DAY_MS = 86_400_000

/** Several journals may share a folder: each lists and deletes the files of its own name only. */
export interface JournalPlace {
  readonly folder: string
  /** What its files are called: `decisions` for `decisions-2026-08-04.w1.3.jsonl`. */
  readonly name: string
}

export function journalPath({ folder, name }: JournalPlace, day: string, writer: string, number: number): string {
  return path.join(folder, `${name}-${day}.${writer}.${number}.jsonl`)
}

export function utcDay(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

/** End of a file's day: no line in it was written later. */
export function endOfDay(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) + DAY_MS
}

/** All files of all journals, in no order; other files in the folder are left alone. No folder, no files. */
async function listFolder(folder: string): Promise<JournalFile[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return names.flatMap((file) => {
    const [, name, day, writer, number] = NAME.exec(file) ?? []
    if (name === undefined) return []
    return [{ path: path.join(folder, file), name, day: day!, writer: writer!, number: Number(number) }]
  })
}

/** Number for a writer's new file of a day: no process that ever wrote under that name has used it. */
export async function freeNumber(place: JournalPlace, day: string, writer: string): Promise<number> {
  const files = (await listFolder(place.folder)).filter(({ name }) => name === place.name)
  const used = files.filter((file) => file.day === day && file.writer === writer).map(({ number }) => number)
  return Math.max(0, ...used) + 1
}

export interface Retention {
  /** A file whose last line is older than this goes. */
  readonly keepMs: number
  /** All files of all journals together; beyond it the oldest go, whoever wrote them. */
  readonly mostBytes: number
  /** The part of it that the other journals do not take from this one, from 0 to 1. */
  readonly share: number
  /** Path of the file that this process is writing; it stays. */
  readonly current: string | undefined
}

/** Files are charged at least a block each, so that a process that starts over and over cannot leave countless small ones. */
const BLOCK_BYTES = 4096

/**
 * Deletes what is too old or too much, and says how many files went. Several processes may sweep at once: who comes
 * second finds a file gone and goes on. A writer whose file was deleted under it notices and opens another.
 */
export async function sweepJournal(place: JournalPlace, now: number, retention: Retention): Promise<number> {
  const all = await withSizes(await listFolder(place.folder))
  const stored = all.filter(({ name }) => name === place.name).sort((a, b) => a.writtenAt - b.writtenAt)
  let total = sizeOf(stored)
  const roomBytes = Math.max(retention.mostBytes * retention.share, retention.mostBytes - (sizeOf(all) - total))
  let deleted = 0
  for (const file of stored) {
    const tooOld = now - file.writtenAt > retention.keepMs
    if (file.path === retention.current || !(tooOld || total > roomBytes)) continue
    if (await remove(file.path)) deleted++
    total -= charged(file.sizeBytes)
  }
  return deleted
}

function sizeOf(files: readonly StoredFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + charged(sizeBytes), 0)
}

function charged(sizeBytes: number): number {
  return Math.max(sizeBytes, BLOCK_BYTES)
}

/** The files of a journal with size and time, in no order. */
export async function storedFiles({ folder, name: journal }: JournalPlace): Promise<StoredFile[]> {
  return withSizes((await listFolder(folder)).filter(({ name }) => name === journal))
}

/** Those that another process deletes meanwhile are left out. */
async function withSizes(files: readonly JournalFile[]): Promise<StoredFile[]> {
  const stored: StoredFile[] = []
  for (const file of files) {
    try {
      const { size, mtimeMs } = await stat(file.path)
      stored.push({ ...file, sizeBytes: size, writtenAt: mtimeMs })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return stored
}

async function remove(file: string): Promise<boolean> {
  try {
    await unlink(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

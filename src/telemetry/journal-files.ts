import { readdir, stat, unlink } from 'node:fs/promises'
import path from 'node:path'

/** One file of a journal. `number` counts the files of one writer on one day from 1. */
export interface JournalFile {
  readonly path: string
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

/** The part of a file's name that follows the name of its journal. */
const REST = /^-(\d{4}-\d{2}-\d{2})\.([A-Za-z0-9_-]{1,32})\.(\d{1,9})\.jsonl$/
const DAY_MS = 86_400_000

/** Several journals may share a folder: each looks at the files of its own name only. */
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

/** All files of a journal, in no order; other files in the folder are left alone. No folder, no files. */
export async function listJournalFiles({ folder, name: journal }: JournalPlace): Promise<JournalFile[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return names.flatMap((name) => {
    const match = name.startsWith(journal) ? REST.exec(name.slice(journal.length)) : null
    if (!match) return []
    return [{ path: path.join(folder, name), day: match[1]!, writer: match[2]!, number: Number(match[3]) }]
  })
}

/** Number for a writer's new file of a day: no process that ever wrote under that name has used it. */
export async function freeNumber(place: JournalPlace, day: string, writer: string): Promise<number> {
  const files = await listJournalFiles(place)
  const used = files.filter((file) => file.day === day && file.writer === writer).map(({ number }) => number)
  return Math.max(0, ...used) + 1
}

export interface Retention {
  /** A file whose last line is older than this goes. */
  readonly keepMs: number
  /** All files together; beyond it the oldest go, whoever wrote them. */
  readonly mostBytes: number
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
  const stored = await storedFiles(place)
  stored.sort((a, b) => a.writtenAt - b.writtenAt)
  let total = stored.reduce((sum, { sizeBytes }) => sum + charged(sizeBytes), 0)
  let deleted = 0
  for (const file of stored) {
    const tooOld = now - file.writtenAt > retention.keepMs
    if (file.path === retention.current || !(tooOld || total > retention.mostBytes)) continue
    if (await remove(file.path)) deleted++
    total -= charged(file.sizeBytes)
  }
  return deleted
}

function charged(sizeBytes: number): number {
  return Math.max(sizeBytes, BLOCK_BYTES)
}

/** The files with size and time; those that another process deletes meanwhile are left out. */
export async function storedFiles(place: JournalPlace): Promise<StoredFile[]> {
  const stored: StoredFile[] = []
  for (const file of await listJournalFiles(place)) {
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

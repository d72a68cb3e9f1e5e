import { type Dirent } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type HeadReading, type QueueFileName, type QueueHead, readHead, readName } from '../../egress/queue-file'
import { HarakaDirectory } from '../haraka-directory'
import { CliError } from '../terminal'

/** A queue file, by its name. */
export interface QueuedFile {
  readonly filename: string
  readonly name: QueueFileName
}

/** One whose head could be read. */
export interface QueuedMessage extends QueuedFile {
  readonly head: QueueHead
}

/** Something in the folder that is no message, and what a person can do about it. */
export interface Oddity {
  readonly filename: string
  readonly what: string
  readonly todo: string
}

/** Where Haraka has its queue: `config/queue_dir`, else `queue` in its directory. */
export function queueFolder(dir: string): string {
  const [named] = new HarakaDirectory(dir).list('queue_dir')
  return resolve(dir, named ?? 'queue')
}

/** The files of a queue, the first to be tried first, and what else is there. Rejects with a {@link CliError}. */
export async function listQueue(folder: string): Promise<{ readonly files: QueuedFile[]; readonly odd: Oddity[] }> {
  const odd: Oddity[] = []
  const files: QueuedFile[] = []
  for (const entry of await entriesOf(folder)) {
    const name = entry.isFile() ? readName(entry.name) : undefined
    if (name && !entry.name.startsWith('error.')) files.push({ filename: entry.name, name })
    else odd.push({ filename: entry.name, ...oddName(entry) })
  }
  return { files: files.sort((a, b) => a.name.dueAt - b.name.dueAt || (a.filename < b.filename ? -1 : 1)), odd }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new CliError(`there is no queue at ${folder}: is --dir the Haraka directory, and did the server ever run?`)
    }
    throw new CliError(`the queue cannot be read: ${(error as Error).message}`)
  }
}

function oddName(entry: Dirent): Omit<Oddity, 'filename'> {
  if (entry.name.startsWith('error.')) {
    return {
      what: 'set aside: its head could not be read',
      todo: 'look into it, take the message out by hand, remove it',
    }
  }
  if (entry.name.startsWith('__tmp__.')) {
    return { what: 'half written', todo: 'nothing: it is being written, or Haraka removes it when it starts next' }
  }
  return { what: 'not a queue file', todo: 'Haraka leaves it alone: move it away' }
}

/** What a file holds; undefined when it is gone. Nothing of the message itself is read. */
export async function readQueued(folder: string, file: QueuedFile): Promise<QueuedMessage | Oddity | undefined> {
  try {
    const reading = await readFile(join(folder, file.filename))
    return 'head' in reading ? { ...file, head: reading.head } : oddFile(file, reading)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // It was delivered meanwhile, or put off under another name.
    if (code === 'ENOENT') return undefined
    return { filename: file.filename, what: message, todo: 'is this user allowed to read the queue?' }
  }
}

async function readFile(path: string): Promise<HeadReading> {
  const handle = await open(path)
  try {
    return await readHead(handle)
  } finally {
    await handle.close()
  }
}

function oddFile({ filename }: QueuedFile, { problem, why }: Extract<HeadReading, { problem: string }>): Oddity {
  if (problem === 'empty') {
    return {
      filename,
      what: 'empty',
      todo: 'remove it: nothing can be made of it (a full disk or a crash leaves such)',
    }
  }
  return {
    filename,
    what: `corrupt: ${why}`,
    todo: 'Sluice sets it aside as error.… after some tries; take the message out by hand, behind the head of the file',
  }
}

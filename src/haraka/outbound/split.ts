import { createReadStream, existsSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { QueueItem, QueuedRecipient } from './queue-item'

/** What of Haraka's outbound writes a queue file. */
export interface QueueWriter {
  /** outbound/qfile.js. */
  readonly names: {
    /** Before the name of a file that is being written; Haraka removes such files when it starts. */
    readonly platformDOT: string
    name(parts: { readonly arrival: number; readonly next_attempt: number; readonly attempts: number }): string
    parts(filename: string): { readonly arrival: number; readonly next_attempt: number } | null
  }
  /** Writes the head of a file, and calls back. */
  build_todo(todo: object, into: { write(bytes: Buffer): boolean }, done: () => void): void
  readonly HMailItem: new (filename: string, path: string, notes?: unknown) => QueueItem
}

export interface SplitterOptions {
  readonly writer: QueueWriter
  /** Some recipients of a message that is under way have become a message of their own, which has yet to be ended. */
  readonly onPart: (part: QueueItem, from: QueueItem) => void
  readonly onFailure: (what: string, error: unknown) => void
  readonly onNotice: (message: string) => void
  readonly pause?: (ms: number) => Promise<unknown>
}

export type Splitting = QueueItem['split_to_new_recipients']

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 30_000

/**
 * Makes several messages of one. Parts keep when the whole was first queued and how often it was tried, so that they go on
 * where it was.
 */
export class Splitter {
  private readonly pause: (ms: number) => Promise<unknown>

  constructor(private readonly options: SplitterOptions) {
    // It keeps no process alive: when that ends, the whole message is still there.
    this.pause = options.pause ?? ((ms) => delay(ms, undefined, { ref: false }))
  }

  /**
   * Each part to at most so many recipients; the whole is removed. Rejects, and leaves everything as it was, when one cannot
   * be written. Should the host fail between the last file written and the first removed, there are both.
   */
  async splitUp(item: QueueItem, most: number): Promise<QueueItem[]> {
    const recipients = item.todo!.rcpt_to
    const groups: QueuedRecipient[][] = []
    for (let at = 0; at < recipients.length; at += most) groups.push(recipients.slice(at, at + most))
    return this.splitInto(item, groups)
  }

  /** The same, each part to the recipients of a group. */
  async splitInto(item: QueueItem, groups: readonly (readonly QueuedRecipient[])[]): Promise<QueueItem[]> {
    const parts: QueueItem[] = []
    try {
      for (const group of groups) parts.push(await this.write(item, group))
    } catch (error) {
      for (const part of parts) part.discard()
      throw error
    }
    item.discard()
    return parts
  }

  /**
   * Haraka splits off whom a host has put off or refused while it took the message for others. When it cannot write that
   * file, it sends the whole message back, also for those who have it. Here it is written as soon as it can be, and the
   * message stays where it is until then.
   */
  install(prototype: { split_to_new_recipients: Splitting }): void {
    const stock = prototype.split_to_new_recipients
    const splitOff = (item: QueueItem, recipients: readonly QueuedRecipient[]) => this.splitOff(item, recipients)
    prototype.split_to_new_recipients = function (this: QueueItem, recipients, reason, done) {
      // All of them: nothing is to be written.
      if (recipients.length === this.todo!.rcpt_to.length) return stock.call(this, recipients, reason, done)
      void splitOff(this, recipients).then((part) => part && done(part))
    }
  }

  /** Never rejects; undefined when the message is gone. */
  private async splitOff(item: QueueItem, recipients: readonly QueuedRecipient[]): Promise<QueueItem | undefined> {
    const { onPart, onFailure, onNotice } = this.options
    const who = `${recipients.length} of ${item.todo!.rcpt_to.length} recipients of ${item.filename}`
    for (let waitMs = FIRST_PAUSE_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_PAUSE_MS)) {
      try {
        const part = await this.write(item, recipients)
        if (waitMs > FIRST_PAUSE_MS) onNotice(`${who} are queued apart now`)
        onPart(part, item)
        return part
      } catch (error) {
        if (!existsSync(item.path)) {
          onNotice(`${item.filename} is gone: it was removed before ${who} could be queued apart`)
          item.discard()
          return undefined
        }
        // What the disk says is enough, where in the code is of no use.
        onFailure(`queueing ${who} apart (again in ${waitMs / 1000} s)`, String(error))
      }
      await this.pause(waitMs)
    }
  }

  /** The file is safe on disk when this resolves; it leaves none when it rejects. */
  private async write(item: QueueItem, recipients: readonly QueuedRecipient[]): Promise<QueueItem> {
    const { HMailItem, names } = this.options.writer
    const { arrival, next_attempt } = names.parts(item.filename)!
    const filename = names.name({ arrival, next_attempt, attempts: item.num_failures })
    const file = path.join(path.dirname(item.path), filename)
    const unfinished = path.join(path.dirname(item.path), `${names.platformDOT}${filename}`)
    try {
      await this.fill(unfinished, item, recipients)
      await rename(unfinished, file)
      return await whenRead(new HMailItem(filename, file, item.notes))
    } catch (error) {
      await Promise.all([rm(unfinished, { force: true }), rm(file, { force: true })])
      throw error
    }
  }

  private async fill(name: string, item: QueueItem, recipients: readonly QueuedRecipient[]): Promise<void> {
    const file = await open(name, 'wx')
    try {
      await file.writeFile(this.headOf({ ...item.todo, rcpt_to: recipients }))
      const message = createReadStream(item.path, { start: item.data_start }) as AsyncIterable<Buffer>
      for await (const piece of message) await file.writeFile(piece)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  private headOf(todo: object): Buffer {
    const written: Buffer[] = []
    const into = { write: (bytes: Buffer) => written.push(bytes) > 0 }
    this.options.writer.build_todo(todo, into, () => undefined)
    return Buffer.concat(written)
  }
}

function whenRead(item: QueueItem): Promise<QueueItem> {
  return new Promise((resolve, reject) => {
    item.once('ready', () => resolve(item))
    item.once('error', () => reject(new Error(`${item.filename} was written, and cannot be read`)))
    // Of a file that is gone.
    item.next_cb = () => reject(new Error(`${item.filename} was written, and is gone`))
  })
}

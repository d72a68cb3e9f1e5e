import { open } from 'node:fs/promises'
import {
  ERRAND_PREFIX,
  type Errand,
  type ErrandAnswer,
  MOST_LOOKED_AT,
  type Sought,
  answerEntry,
  isMeant,
  readErrand,
} from '../../egress/errand'
import { type QueueHead, readHead } from '../../egress/queue-file'
import { Recent } from '../../egress/recent'
import type { BoardChange, BoardEntry, Store } from '../../store/store'
import type { Ended } from './deliveries-options'
import type { PutOffMessage } from './put-off'
import type { QueueItem } from './queue-item'

/** A message that waits for its path, or is under way. */
export interface KnownMessage extends Sought {
  /** It waits, and can be ended. */
  readonly isWaiting: boolean
}

export interface ErrandsOptions {
  /** Name of this process. */
  readonly process: string
  readonly store: () => Store
  /** What this process has in hand. */
  readonly known: () => Iterable<KnownMessage>
  /** What this process has put off. */
  readonly putOff: () => PutOffMessage[]
  /** What this process knows of a message that it has put off itself; one from before its start it does not know. */
  readonly recall: (
    id: string,
  ) => { readonly item: QueueItem; readonly domain: string; readonly path: string } | undefined
  /** Path of the file of a message. */
  readonly fileOf: (filename: string) => string
  /** Makes a message of its file. Resolves with undefined when the file cannot be read. */
  readonly load: (filename: string) => Promise<QueueItem | undefined>
  /** The path that a message would take. */
  readonly pathFor: (item: QueueItem) => Promise<string | undefined>
  /** Has a message tried now. Whoever calls has it, and nobody else. */
  readonly flush: (item: QueueItem) => void
  /** End a message with a report to its sender: one that waits, and one that was taken from those put off. */
  readonly bounceWaiting: (id: string, reason: string) => Promise<Ended>
  readonly bouncePutOff: (item: QueueItem, reason: string) => Promise<Ended>
  readonly onNotice: (message: string) => void
  readonly onFailure: (error: unknown) => void
  readonly clock?: () => number
}

const MOST_REMEMBERED = 1000
const ANSWER_EVERY_MS = 1000
/** Messages ended at a time: each has a report written to disk. */
const AT_A_TIME = 16

/** Messages looked at without a pause. */
const BREATH = 200

type Counts = { -readonly [name in Exclude<keyof ErrandAnswer, 'process' | 'isOver'>]: number }

/** An errand that is being done. */
interface Work {
  readonly errand: Errand
  readonly counts: Counts
  /** So many messages more may be touched. */
  left: number
}

/** Does what is asked of all processes on the store's board, each errand once, one after another. */
export class Errands {
  private readonly clock: () => number
  /** Done, or not to be done any more. */
  private readonly over = new Recent<true>(MOST_REMEMBERED)
  private last: Promise<void> = Promise.resolve()
  private isFollowing = false

  constructor(private readonly options: ErrandsOptions) {
    this.clock = options.clock ?? Date.now
  }

  follow(store: Store): void {
    store.onBoard((change) => this.apply(change))
  }

  /**
   * Errands that stand on the board when this process begins are not for it: they may have been done by the process whose
   * place it took, and what came later is not meant.
   */
  apply(change: BoardChange): void {
    if (change.kind === 'withdrawn') return
    const entries = change.kind === 'all' ? change.entries : [change.entry]
    const isFirst = !this.isFollowing
    this.isFollowing = true
    for (const entry of entries) {
      const errand = entry.key.startsWith(ERRAND_PREFIX) ? this.readNew(entry) : undefined
      if (errand && !isFirst) this.last = this.last.then(() => this.run(errand))
    }
  }

  /** Undefined for one that is known already. */
  private readNew(entry: BoardEntry): Errand | undefined {
    const errand = readErrand(entry)
    if (!errand || this.over.get(errand.id)) return undefined
    this.over.set(errand.id, true)
    return entry.expiresAt > this.clock() ? errand : undefined
  }

  /** Never rejects. */
  private async run(errand: Errand): Promise<void> {
    const work: Work = {
      errand,
      counts: { done: 0, waiting: 0, underWay: 0, putOff: 0, failed: 0, unseen: 0 },
      left: errand.kind === 'count' ? 0 : errand.most,
    }
    const timer = setInterval(() => void this.answer(work, false), ANSWER_EVERY_MS)
    try {
      await this.doKnown(work)
      await this.doPutOff(work)
    } catch (error) {
      this.options.onFailure(error)
    } finally {
      clearInterval(timer)
    }
    if (work.counts.done > 0) this.options.onNotice(sayDone(work))
    await this.answer(work, true)
  }

  /** What waits for its path, and what is under way. */
  private async doKnown(work: Work): Promise<void> {
    const { counts } = work
    const { target, kind, reason } = work.errand
    const toEnd: string[] = []
    for (const message of this.options.known()) {
      if (isMeant(target, message) !== true) continue
      if (!message.isWaiting) counts.underWay++
      else if (kind === 'bounce' && work.left > 0) {
        work.left--
        toEnd.push(message.id)
      } else counts.waiting++
    }
    await eachOf(toEnd, async (id) => count(counts, await this.options.bounceWaiting(id, reason)))
  }

  private async doPutOff(work: Work): Promise<void> {
    const { errand, counts } = work
    const messages = this.options.putOff()
    let looked = 0
    try {
      await eachOf(messages, async (message) => {
        const isUnknown = !('file' in errand.target) && !this.options.recall(message.id)
        if (isUnknown && ++looked > MOST_LOOKED_AT) counts.unseen++
        else if (await this.isMeant(errand, message)) await this.doOne(work, message)
      })
    } finally {
      for (const message of messages) message.leave()
    }
  }

  private async isMeant({ target }: Errand, { id, filename }: PutOffMessage): Promise<boolean> {
    const known = this.options.recall(id)
    const meant = isMeant(target, { id, domain: known?.domain, path: known?.path })
    if (meant !== undefined) return meant
    const head = await this.readHead(filename)
    if (!head) return false
    const meantByDomain = isMeant(target, { id, domain: head.domain, path: undefined })
    if (meantByDomain !== undefined) return meantByDomain
    const item = await this.options.load(filename)
    const path = item && (await this.options.pathFor(item))
    return isMeant(target, { id, domain: head.domain, path }) === true
  }

  /** A file that is gone or cannot be read is nobody's: Haraka finds that out when its time comes. */
  private async readHead(filename: string): Promise<QueueHead | undefined> {
    try {
      const file = await open(this.options.fileOf(filename))
      try {
        const reading = await readHead(file)
        return 'head' in reading ? reading.head : undefined
      } finally {
        await file.close()
      }
    } catch {
      return undefined
    }
  }

  private async doOne(work: Work, message: PutOffMessage): Promise<void> {
    const { errand, counts } = work
    if (work.left === 0) {
      counts.putOff++
      return
    }
    work.left--
    const item = this.options.recall(message.id)?.item ?? (await this.read(message))
    if (!item) counts.failed++
    // Its time came meanwhile.
    else if (!message.take()) counts.underWay++
    else if (errand.kind === 'bounce') count(counts, await this.options.bouncePutOff(item, errand.reason))
    else {
      this.options.flush(item)
      counts.done++
    }
  }

  private async read({ filename }: PutOffMessage): Promise<QueueItem | undefined> {
    return (await this.readHead(filename)) && this.options.load(filename)
  }

  private async answer({ errand, counts }: Work, isOver: boolean): Promise<void> {
    const { process, store, onFailure } = this.options
    try {
      await store().post([answerEntry(errand, { process, ...counts, isOver }, this.clock())])
    } catch (error) {
      onFailure(error)
    }
  }
}

function count(counts: Counts, ended: Ended): void {
  if (ended === 'ended') counts.done++
  else if (ended === 'left') counts.underWay++
  else counts.failed++
}

function sayDone({ errand: { id, kind, target, reason }, counts }: Work): string {
  const what = kind === 'flush' ? 'to be tried now' : `sent back to their senders (${reason || 'no reason given'})`
  return `errand ${id}: ${counts.done} messages for ${Object.values(target).join('')} ${what}`
}

/** Rejects with the first failure, after all that had begun have ended. */
async function eachOf<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  let following = 0
  const worker = async () => {
    for (let item = items[following++]; item !== undefined; item = items[following++]) {
      // Mail goes on meanwhile, also when nothing here waits for anything.
      if (following % BREATH === 0) await new Promise(setImmediate)
      await work(item)
    }
  }
  const workers = await Promise.allSettled(Array.from({ length: AT_A_TIME }, worker))
  for (const outcome of workers) if (outcome.status === 'rejected') throw outcome.reason
}

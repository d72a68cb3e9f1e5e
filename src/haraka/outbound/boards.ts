import os from 'node:os'
import path from 'node:path'
import { processName } from '../../egress/path-load'
import { newReference } from '../../policy/reference'
import type { Store } from '../../store/store'
import type { HarakaPlugin } from '../types'
import type { Deliveries } from './deliveries'
import type { Planner } from './delivery'
import type { Endings } from './endings'
import { Errands } from './errands'
import { LoadBoard } from './load-board'
import { PutOff, isTimerQueue } from './put-off'
import type { QueueItem } from './queue-item'

/** What people see of this process from outside, and what they have it do. */
export interface Boards {
  /** Once the store is open. */
  follow(store: Store): void
  /** An attempt on a path has ended. */
  noteEnd(path: string): void
  /** What holds for some path has changed. */
  changed(): void
  close(): void
}

export interface BoardsOptions {
  readonly deliveries: Deliveries
  readonly planner: Planner
  readonly endings: Endings
  readonly store: () => Store
  readonly onNotice: (message: string) => void
  readonly onFailure: (what: string, error: unknown) => void
}

interface Outbound {
  readonly delivery_queue: { push(item: QueueItem): void }
  readonly temp_fail_queue: unknown
  readonly HMailItem: new (filename: string, path: string) => QueueItem
}

export function openBoards(by: HarakaPlugin, options: BoardsOptions): Boards {
  const { deliveries, planner, endings, store, onNotice, onFailure } = options
  const outbound = by.haraka_require('outbound') as Outbound
  const { queue_dir: folder } = by.haraka_require('outbound/queue') as { readonly queue_dir: string }
  const own = processName(os.hostname(), process.pid, newReference())
  const putOff = putOffOf(outbound, onNotice)
  const loads = new LoadBoard({
    process: own,
    store,
    work: () => deliveries.work(),
    putOff: () => putOff?.count ?? 0,
    onFailure: (error) => onFailure('telling what is under way', error),
  })
  const bounce = (reason: string) => (item: QueueItem) => endings.endByOrder(item, reason)
  const fileOf = (filename: string) => path.join(folder, filename)
  const errands = new Errands({
    process: own,
    store,
    known: () => deliveries.inHand(),
    putOff: () => putOff?.watch() ?? [],
    recall: (id) => deliveries.recall(id),
    fileOf,
    load: (filename) => load(new outbound.HMailItem(filename, fileOf(filename))),
    pathFor: (item) => planner.pathFor(item),
    flush: (item) => outbound.delivery_queue.push(item),
    bounceWaiting: (id, reason) => deliveries.endWaiting(id, bounce(reason)),
    bouncePutOff: (item, reason) => deliveries.endPutOff(item, bounce(reason)),
    onNotice,
    onFailure: (error) => onFailure('doing an errand', error),
  })
  return {
    follow(of) {
      loads.start()
      errands.follow(of)
    },
    noteEnd: (of) => loads.noteEnd(of),
    changed: () => loads.changed(),
    close: () => loads.close(),
  }
}

function putOffOf({ temp_fail_queue: queue }: Outbound, onNotice: (message: string) => void): PutOff | undefined {
  if (isTimerQueue(queue)) return new PutOff(queue)
  onNotice(
    'messages that are put off cannot be flushed or bounced: temp_fail_queue of this Haraka is not as we know it',
  )
  return undefined
}

/** Undefined when its file cannot be read. */
function load(item: QueueItem): Promise<QueueItem | undefined> {
  return new Promise((resolve) => {
    const fail = () => resolve(undefined)
    item.next_cb = fail
    item.once('error', fail)
    item.once('ready', () => {
      item.next_cb = () => undefined
      resolve(item)
    })
  })
}

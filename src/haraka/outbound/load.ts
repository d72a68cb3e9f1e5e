import type { HarakaPlugin } from '../types'
import { dueAt } from './queue-item'

/** outbound/queue.js, as far as it reads what is there at start. */
export interface OutboundQueue {
  load_queue_files: (pid: unknown, files: string[], each: unknown) => Promise<unknown>
  /** Takes a message whose head was read: at once when it is due, else when it will be. */
  _add_hmail: (item: unknown) => void
  /** What it takes for the present. */
  cur_time: Date
}

/**
 * A restart keeps the order of the messages, and when they are due. Haraka reads a file when its message is due, and then
 * compares with the time of the start: the message would wait for the rest of its time once more.
 */
export function loadInOrder(by: HarakaPlugin): void {
  const queue = by.haraka_require('outbound/queue') as OutboundQueue
  const { load_queue_files: load, _add_hmail: add } = queue
  queue.load_queue_files = (pid, files, each) => {
    const due = new Map(files.map((file) => [file, dueAt(file)]))
    return load(
      pid,
      files.sort((a, b) => due.get(a)! - due.get(b)! || (a < b ? -1 : 1)),
      each,
    )
  }
  queue._add_hmail = (item) => {
    queue.cur_time = new Date()
    add(item)
  }
}

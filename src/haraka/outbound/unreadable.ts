import type { QueueItem } from './queue-item'

/** HMailItem, as far as it reads its file. */
type Reader = QueueItem & { todo: unknown; listenerCount(event: string): number }
interface ReaderPrototype {
  size_file: (this: Reader) => Promise<void>
  send: (this: Reader) => void
  temp_fail: (this: Reader, why: string, failure?: object) => void
  emit: (this: Reader, event: string, ...args: unknown[]) => boolean
}

/**
 * Haraka waits for ever for a file whose head it cannot read, in a slot of its delivery queue and in one of those that
 * load files, and dies of one that nobody waits for. Here both slots come back: `onUnreadable` is told of the message when
 * it has come to its turn, and gives the slot back by `next_cb`.
 */
export function endUnreadable(prototype: object, onUnreadable: (item: QueueItem, why: string) => void): void {
  const reader = prototype as ReaderPrototype
  const { size_file: sizeFile, send, temp_fail: tempFail, emit } = reader
  /** Items that were made before have been read. */
  const unread = new WeakSet<Reader>()
  const failed = new WeakMap<Reader, string>()
  const atTurn = new WeakSet<Reader>()

  const fail = (item: Reader, why: string) => {
    if (!unread.has(item) || failed.has(item)) return
    failed.set(item, why)
    // What is half read looks as if it were whole.
    item.todo = null
    if (item.listenerCount('error') > 0) emit.call(item, 'error', why)
    if (atTurn.has(item)) onUnreadable(item, why)
  }
  reader.emit = function (event, ...args) {
    if (event === 'ready') unread.delete(this)
    if (event !== 'error') return emit.call(this, event, ...args)
    fail(this, String(args[0]))
    return true
  }
  reader.temp_fail = function (why, failure) {
    if (unread.has(this)) fail(this, why)
    else tempFail.call(this, why, failure)
  }
  reader.size_file = async function () {
    unread.add(this)
    await sizeFile.call(this)
    if (this.file_size === 0) fail(this, 'it is gone')
  }
  reader.send = function () {
    const why = failed.get(this)
    if (why !== undefined) return onUnreadable(this, why)
    if (unread.has(this)) giveBackOnce(this)
    atTurn.add(this)
    send.call(this)
  }
}

/** Haraka gives the slot of a file that is gone back by itself. */
function giveBackOnce(item: QueueItem): void {
  const giveBack = item.next_cb
  let isBack = false
  item.next_cb = () => {
    if (isBack) return
    isBack = true
    giveBack()
  }
}

import { EventEmitter } from 'node:events'
import type { QueueWriter } from './split'

/**
 * Keeps a queue file that could not be written from being taken for a message. When the disk is full Haraka removes such a
 * file, and at the same time gives it its name, as it does whenever its stream closes. Where the name comes first, an empty
 * file is a message that was queued: a client has his 250, or a sender his report, and it is lost. An error comes before the
 * close, so whoever waits for that is told of none.
 */
export function leaveUnwritten(outbound: { build_todo: QueueWriter['build_todo'] }): void {
  const build = outbound.build_todo
  outbound.build_todo = (todo, into, done) => {
    if (into instanceof EventEmitter) {
      const waiting = into.listeners('close') as ((...args: unknown[]) => void)[]
      into.prependOnceListener('error', () => waiting.forEach((listener) => into.off('close', listener)))
    }
    build(todo, into, done)
  }
}

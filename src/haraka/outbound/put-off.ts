import { messageId } from './queue-item'

/** TimerQueue of haraka-utils, as far as it is needed: messages that are tried again later, the next one first. */
export interface TimerQueue {
  readonly queue: HarakasTimer[]
}

interface HarakasTimer {
  /** Name of the queue file. */
  readonly id: string
  /** Puts the message into a queue for delivery. Null when it was cancelled: it stays in the line and does nothing. */
  cb: (() => void) | null
  cancel(): void
}

/** A message that is tried again later. */
export interface PutOffMessage {
  readonly filename: string
  readonly id: string
  /** Takes it out, for whoever asked: he has it then, and nobody else. False when its time has come meanwhile. */
  take(): boolean
  /** It is left where it is, and no longer watched. */
  leave(): void
}

/** The messages that Haraka holds back until they are tried again. Shapes are asserted: {@link isTimerQueue}. */
export class PutOff {
  constructor(private readonly timers: TimerQueue) {}

  get count(): number {
    return this.timers.queue.reduce((sum, { cb }) => sum + (cb ? 1 : 0), 0)
  }

  /**
   * All there are, the next one first. Each must be taken or left before this is asked again: until then it is watched, so
   * that one whose time comes meanwhile is not taken too.
   */
  watch(): PutOffMessage[] {
    return this.timers.queue.filter(({ cb }) => cb !== null).map(watched)
  }
}

/**
 * The time of a message is up when Haraka calls back, and nothing else tells: it takes the timer out of its line first, and
 * leaves it as it was. Searching the line for each message would take hours when there are 100,000.
 */
function watched(timer: HarakasTimer): PutOffMessage {
  const call = timer.cb!
  let isThere = true
  timer.cb = () => {
    isThere = false
    call()
  }
  return {
    filename: timer.id,
    id: messageId(timer.id),
    take() {
      if (!isThere) return false
      isThere = false
      timer.cancel()
      return true
    },
    leave() {
      if (isThere) timer.cb = call
    },
  }
}

export function isTimerQueue(value: unknown): value is TimerQueue {
  const { queue, add } = (value ?? {}) as Partial<Record<'queue' | 'add', unknown>>
  return Array.isArray(queue) && typeof add === 'function'
}

import type { Session } from './session'

/** Holds clients that are over a limit until a slot is free: bounded in time and in number. */
export class Tarpit {
  waiting = 0

  constructor(
    readonly longestMs: number,
    readonly most: number,
  ) {}

  /** Whether a client can be held for that long. */
  accepts(waitMs: number): boolean {
    return waitMs > 0 && waitMs <= this.longestMs && this.waiting < this.most
  }

  /** Resolves after `waitMs`, with false when the client went away before. */
  async hold(session: Session, waitMs: number): Promise<boolean> {
    this.waiting++
    try {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs)
        session.onClose = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    } finally {
      session.onClose = undefined
      this.waiting--
    }
    return !session.closed
  }
}

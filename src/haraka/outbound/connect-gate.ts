import { pathKey } from '../../egress/path-key'
import type { Store, Window } from '../../store/store'

export interface ConnectGateOptions {
  /** Whether a path has a place for another connection, besides those that exist and those that are coming. */
  readonly hasPlace: (path: string, coming: number) => boolean
  readonly store: () => Store
}

/** A connection that is being closed is gone within seconds; longer than this something is wrong. */
const PLACE_WAIT_MS = 30_000
/** A delivery that waits longer for its connection is put off: it holds a place that another could use. */
const RATE_WAIT_MS = 10 * 60_000

/** Lets deliveries make connections, when their path has a place for one and its connection rate allows. */
export class ConnectGate {
  /** Deliveries that wait for a place, by path. */
  private readonly waiting = new Map<string, Set<() => void>>()
  /** Connections that may be made and are not made yet, in this turn. */
  private readonly coming = new Map<string, number>()

  /** How many wait for the connection rate, by path. */
  private readonly atRate = new Map<string, number>()

  constructor(private readonly options: ConnectGateOptions) {}

  /** A delivery of the path waits for its connection rate. */
  isAtRate(path: string): boolean {
    return this.atRate.has(path)
  }

  /** Undefined when it may be made at once. Rejects when it may not within reason. */
  ask(path: string, rate: Window | undefined): Promise<void> | undefined {
    if (!rate && this.takePlace(path)) return undefined
    return this.waitFor(path, rate)
  }

  /** A connection of the path is gone, or idle and to be closed. */
  changed(path: string): void {
    for (const look of [...(this.waiting.get(path) ?? [])]) look()
  }

  private async waitFor(path: string, rate: Window | undefined): Promise<void> {
    if (rate) await this.waitForRate(path, rate).finally(() => this.countAtRate(path, -1))
    await this.waitForPlace(path)
  }

  private async waitForRate(path: string, rate: Window): Promise<void> {
    this.countAtRate(path, 1)
    const key = pathKey('egress_connect', path)
    for (let waitedMs = 0; ;) {
      const { committed, answers } = await this.options
        .store()
        .judge([{ op: 'window', key, enforced: true, windows: [rate], cost: 1 }])
      if (committed) return
      // Those that wait for the same moment do not all come at it.
      const waitMs = Math.max(10, answers[0]!.retryAfterMs) * (1 + Math.random() / 4)
      waitedMs += waitMs
      if (waitedMs > RATE_WAIT_MS) throw new Error('the connection rate of its path allows no connection soon')
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }

  private countAtRate(path: string, more: 1 | -1): void {
    const count = (this.atRate.get(path) ?? 0) + more
    if (count > 0) this.atRate.set(path, count)
    else this.atRate.delete(path)
  }

  private waitForPlace(path: string): Promise<void> {
    if (this.takePlace(path)) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const looks = this.waiting.get(path) ?? new Set<() => void>()
      this.waiting.set(path, looks)
      const settle = (done: () => void) => {
        clearTimeout(timer)
        looks.delete(look)
        if (looks.size === 0) this.waiting.delete(path)
        done()
      }
      const look = () => {
        if (this.takePlace(path)) settle(resolve)
      }
      const late = () => settle(() => reject(new Error('its path has no place for a connection')))
      const timer = setTimeout(late, PLACE_WAIT_MS)
      looks.add(look)
    })
  }

  private takePlace(path: string): boolean {
    const coming = this.coming.get(path) ?? 0
    if (!this.options.hasPlace(path, coming)) return false
    this.coming.set(path, coming + 1)
    // The connection is dialled, and counted, before this turn of the loop ends.
    setImmediate(() => {
      const left = this.coming.get(path)! - 1
      if (left > 0) this.coming.set(path, left)
      else this.coming.delete(path)
      this.changed(path)
    })
    return true
  }
}

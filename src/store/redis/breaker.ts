import type { Clock } from '../store'

export interface BreakerOptions {
  /** Consecutive failures that open it. */
  readonly failuresToOpen?: number
  /** Time from opening to the first probe, and from one probe to the next. */
  readonly probeEveryMs?: number
  readonly clock?: Clock
}

/**
 * Circuit breaker. Closed: calls pass, and {@link note} counts consecutive failures. Open: no call passes. Half open: one
 * probe is under way, and only its success closes the breaker; calls that were sent earlier and end now change nothing.
 */
export class Breaker {
  private current: 'closed' | 'open' | 'half-open' = 'closed'
  private failures = 0
  private probeAt = 0
  private readonly failuresToOpen: number
  private readonly probeEveryMs: number
  private readonly clock: Clock

  constructor({ failuresToOpen = 3, probeEveryMs = 1000, clock = Date.now }: BreakerOptions = {}) {
    this.failuresToOpen = failuresToOpen
    this.probeEveryMs = probeEveryMs
    this.clock = clock
  }

  get state(): 'closed' | 'open' | 'half-open' {
    return this.current
  }

  /** Tells how a call ended. Returns true when that opened the breaker. */
  note(ok: boolean): boolean {
    if (this.current !== 'closed') return false
    this.failures = ok ? 0 : this.failures + 1
    return this.failures >= this.failuresToOpen && this.trip()
  }

  /** Opens the breaker whatever was counted. Returns false when it was not closed. */
  trip(): boolean {
    if (this.current !== 'closed') return false
    this.open()
    return true
  }

  /** True once when a probe is due; the caller then owes {@link endProbe}. */
  beginProbe(): boolean {
    // A clock put back must not put the probe off for longer than it ever would be.
    const due = this.clock() >= this.probeAt || this.probeAt - this.clock() > this.probeEveryMs
    if (this.current !== 'open' || !due) return false
    this.current = 'half-open'
    return true
  }

  /** Ends the probe: closes the breaker, or opens it again. */
  endProbe(ok: boolean): void {
    if (this.current !== 'half-open') return
    if (ok) {
      this.current = 'closed'
      this.failures = 0
    } else {
      this.open()
    }
  }

  private open(): void {
    this.current = 'open'
    this.probeAt = this.clock() + this.probeEveryMs
  }
}

import { LEASE_TTL_MS } from '../gates/limits/limits-gate'
import type { LeaseRef, Store } from '../store/store'
import type { Session } from './session'

/** Leases are prolonged three times within their life. */
const HEARTBEAT_MS = LEASE_TTL_MS / 3
const LEASES_PER_RENEWAL = 200

/** Has the store do something for which nobody waits; a failure is told, and the lease's own expiry mends it. */
export type Attempt = (what: string, action: (store: Store) => void | Promise<void>) => void

/** What the sessions of this process hold, such as their place among the sessions of a client. */
export class Leases {
  private readonly holders = new Set<Session>()
  private readonly heartbeat = setInterval(() => this.renew(), HEARTBEAT_MS).unref()

  constructor(private readonly attempt: Attempt) {}

  /** Sessions that hold something. */
  get sessions(): number {
    return this.holders.size
  }

  hold(session: Session, leases: readonly LeaseRef[]): void {
    session.leases.push(...leases)
    // The client may have gone while the store was asked: its disconnect has found nothing to give back.
    if (session.closed) this.giveBack(session)
    else this.holders.add(session)
  }

  /** Gives back what a session holds; also when its address changes, before the new one is judged. */
  giveBack(session: Session): void {
    this.holders.delete(session)
    if (session.leases.length === 0) return
    const leases = session.leases
    session.leases = []
    this.attempt('release', (store) => store.release(leases))
  }

  giveAllBack(): void {
    for (const session of this.holders) this.giveBack(session)
  }

  stop(): void {
    clearInterval(this.heartbeat)
  }

  private renew(): void {
    const leases = [...this.holders].flatMap((session) => session.leases)
    for (let start = 0; start < leases.length; start += LEASES_PER_RENEWAL) {
      const some = leases.slice(start, start + LEASES_PER_RENEWAL)
      this.attempt('renew', (store) => store.renew(some, LEASE_TTL_MS))
    }
  }
}

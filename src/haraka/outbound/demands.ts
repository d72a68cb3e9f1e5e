import type { Attempt } from '../../egress/attempt'
import type { EgressProfile } from '../../egress/profile'
import { type Timeouts, timeoutsOf } from './timeouts'
import type { HMail, Mx } from './types'

/** What a delivery asks of its session. It holds for as long as the delivery has it, and then until the next one does. */
export interface SessionDemands {
  /** Whose connections the session counts among: it is for this path's deliveries alone. */
  readonly path: string
  /** Messages that the session may have carried when this one is done; 1 for a session of its own. */
  readonly messages: number
  /** How long the session may wait for another message, in ms. */
  readonly idleMs: number
  readonly timeouts: Timeouts
  readonly tls: EgressProfile['tls']
}

/** Whoever knows the paths of deliveries. Asked for each host that is tried; none of it may throw. */
export interface SessionPolicy {
  /** What the path of this delivery asks of its session. */
  demandsOf(hmail: HMail, mx: Mx): SessionDemands
  /** What is to be noted of the attempt that the delivery is in; undefined: nobody wants to know. */
  attemptOf(hmail: HMail): Attempt | undefined
  /**
   * Resolves when a new connection may be dialled (connection rate of the path); undefined: at once. Rejects when not within
   * reason: then the delivery fails over as if the host could not be reached.
   */
  mayConnect(hmail: HMail, mx: Mx): Promise<void> | undefined
  /** A connection of the path is gone, or has become idle. */
  changed(path: string): void
}

export function demandsOfProfile(
  path: string,
  profile: Pick<EgressProfile, 'sessions' | 'timeouts' | 'tls'>,
): SessionDemands {
  const { sessions, tls } = profile
  const timeouts = timeoutsOf(profile)
  if (sessions === 'off') return { path, messages: 1, idleMs: 0, timeouts, tls }
  return { path, messages: sessions.messages ?? Infinity, idleMs: sessions.idleMs, timeouts, tls }
}

/** The higher of two TLS versions, as an option; their names sort. */
export function higher(one: string | undefined, other: string | undefined): { minVersion?: string } {
  if (one === undefined && other === undefined) return {}
  return { minVersion: (one ?? '') > (other ?? '') ? one! : other! }
}

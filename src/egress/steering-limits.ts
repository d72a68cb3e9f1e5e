import type { Window } from '../store/store'
import type { PathLimits } from './path-dispatcher'
import type { EgressProfile } from './profile'
import type { PathOrders } from './steering'
import { SLOWEST_MS } from './steering-action'

/**
 * What a path bears under its orders. Factors leave it one connection and a message a minute, unless its profile has less:
 * who is to get no mail at all is suspended.
 */
export function limitsUnder(
  profile: Pick<EgressProfile, 'connections' | 'messageRate'>,
  orders: PathOrders,
): PathLimits {
  const places = Math.floor((orders.connections ?? profile.connections) * orders.connectionsFactor)
  const connections = Math.max(1, Math.min(places, orders.mostConnections ?? Infinity))
  const plainMs = intervalOf(orders.messageRate ?? profile.messageRate)
  const slowedMs = Math.max(plainMs, Math.min(SLOWEST_MS, plainMs / orders.rateFactor))
  const intervalMs = Math.max(slowedMs, intervalOf(orders.mostMessageRate))
  return {
    connections,
    // One at a time, so that no window holds more than it may.
    rate: intervalMs === 0 ? undefined : { intervalMs, burst: 1 },
    suspendedUntil: orders.suspendedUntil,
  }
}

/** At four times the last of a burst came half an hour later, and no fewer were refused: docs/benchmarks.md, "The closed loop". */
const MOST_STRETCH = 2

/** How many times as long messages of a path wait between tries: those that come back soon are more of what it was slowed down for. */
export function stretchUnder({ rateFactor }: Pick<PathOrders, 'rateFactor'>): number {
  return Math.min(MOST_STRETCH, 1 / rateFactor)
}

/** Between two messages; 0 without a limit. */
function intervalOf(rate: Window | undefined): number {
  return rate === undefined ? 0 : rate.windowMs / rate.limit
}

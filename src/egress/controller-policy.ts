import type { Mode } from '../policy/mode'
import type { Window } from '../store/store'

/** By which figures the controller acts. Shares and factors from 0 to 1. */
export interface ControllerPolicy {
  readonly mode: Mode
  /** So far back answers count. */
  readonly windowMs: number
  /** So many throttling answers within the window slow a path down. */
  readonly throttles: number
  /** So does this share of attempts put off or without an answer, once there are `least` attempts. */
  readonly softBounces: { readonly share: number; readonly least: number }
  /** A path that is slowed down keeps this part of its speed, but never less than `floor` of its profile. */
  readonly decrease: number
  readonly floor: number
  /** What a path gets back of its profile each `everyMs`; see {@link fasterFactor}. */
  readonly recovery: { readonly step: number; readonly everyMs: number }
  /** Least time between two steps of a path, over all processes. What comes sooner is an answer to what was before. */
  readonly cooldownMs: number
  /** This share of at least so many attempts put off or without an answer suspends a path at once. */
  readonly outage: { readonly share: number; readonly least: number }
  /** Length of the first suspension; each further one in a row is twice as long, up to the longest. */
  readonly suspend: { readonly firstMs: number; readonly longestMs: number }
  /** After a suspension a path goes at this rate until so many messages went well, or did not. */
  readonly trial: { readonly messages: number; readonly rate: Window }
  /** So long a path stays slowed down that nothing is heard of. */
  readonly keepMs: number
  /** Undefined: a path whose volume jumps is left alone. */
  readonly breaker: BreakerPolicy | undefined
}

/** When a path's volume counts as jumped, and what is done then. */
export interface BreakerPolicy {
  /** So many times the usual. */
  readonly times: number
  /** In five minutes, over all processes; less is no jump. */
  readonly least: number
  /** Of the path's rate and connections, from 0 to 1. */
  readonly factor: number
  /** By then the controller knows from the answers. */
  readonly longestMs: number
}

/** A step up is no more than half of what there is: a path that bears little is not thrown far above it. */
const MOST_RISE = 0.5

/** The factor of a path after a step up. */
export function fasterFactor(factor: number, { recovery }: Pick<ControllerPolicy, 'recovery'>): number {
  return rounded(Math.min(1, factor + Math.min(recovery.step, factor * MOST_RISE)))
}

/** The factor of a path after a step down. */
export function slowerFactor(
  factor: number,
  { decrease, floor }: Pick<ControllerPolicy, 'decrease' | 'floor'>,
): number {
  return rounded(Math.max(floor, factor * decrease))
}

/** Sums of tenths are not exact, and people read these. */
function rounded(factor: number): number {
  return Math.round(factor * 10_000) / 10_000
}

import type { Store, Window } from '../store'

/** Units of windows that were admitted while the shared store was out of reach, oldest first. */
export interface WindowCharge {
  readonly op: 'window'
  readonly key: string
  readonly windows: readonly Window[]
  readonly entries: readonly { readonly agoMs: number; readonly units: number }[]
}

/**
 * What a token bucket of `depthMs` (burst × interval) lacks on account of units admitted in the meantime. With
 * `startsInMs`: and none of its slots may begin before the one after that, as this one is reserved.
 */
export interface RateCharge {
  readonly op: 'rate'
  readonly key: string
  readonly depthMs: number
  readonly debtMs: number
  readonly startsInMs?: number
}

export type Charge = WindowCharge | RateCharge

/** Charges in one call: so few that a full one holds nobody up. */
export const MAX_CHARGES = 50

/** A store that several processes share, as `FailoverStore` needs it. All its calls settle within a bounded time. */
export interface SharedStore extends Store {
  /** Says that this process lives and returns how many do. It proves that the store takes writes, so it is the probe. */
  beat(): Promise<number>

  /** Adds units without judging them. At most {@link MAX_CHARGES}, each key once. */
  charge(charges: readonly Charge[]): Promise<void>
}

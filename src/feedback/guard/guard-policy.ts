import type { Window } from '../../store/store'

/** Shares from 0 to 1. What is above one of them, not what is at it, is too much. */
export interface Thresholds {
  readonly slow: number
  readonly pause: number
}

/** What `automation.guard` of the configuration says; never changed, a reload makes another. */
export interface GuardPolicy {
  /** So far back bounces count. */
  readonly windowMs: number
  /** Among fewer recipients no share of bounces says anything. */
  readonly least: number
  readonly soft: Thresholds
  readonly hard: Thresholds
  /** Complaints come days after the mail that they are about, and are rare: they have a window and a least of their own. */
  readonly complaints: Thresholds & { readonly windowMs: number; readonly least: number }
  /** Recipients that a sender may still write to who is slowed down. */
  readonly rate: Window
}

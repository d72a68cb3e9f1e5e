import type { Permission, Taken } from '../../egress/warmup/warmup'
import type { Untried } from './attempt-event'
import type { Delivery } from './delivery'

/** `later`: it is put off, and keeps nobody else waiting; `wait`: it and the others of its path wait. */
export type Budgeted =
  | Exclude<Permission, { kind: 'go' }>
  | { readonly kind: 'go'; readonly taken: readonly Taken[] }
  | { readonly kind: 'later'; readonly why: Untried }

/** What messages take of budgets, such as that of a source that warms up. */
export interface Budget {
  /** Undefined: it needs none. Never rejects. */
  take(delivery: Delivery): Promise<Budgeted> | undefined
  /** An attempt has not begun, or no host has seen it. */
  giveBack(taken: readonly Taken[]): void
}

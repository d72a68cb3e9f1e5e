import type { Ask } from '../store'
import type { Tape } from './tape'

/** State of a `window` ask's key: one tape for each window, in the order of the ask. */
export interface WindowState {
  readonly op: 'window'
  readonly tapes: Tape[]
}

/** State of a `rate` ask's key: the theoretical arrival time of GCRA, in milliseconds. */
export interface RateState {
  readonly op: 'rate'
  tat: number
}

/** State of a `lease` ask's key: holders and when each lease ends. Never longer than the largest limit asked. */
export interface LeaseState {
  readonly op: 'lease'
  readonly holders: { id: string; expiresAt: number }[]
}

export type State = WindowState | RateState | LeaseState

/** The instant after which a key's state says nothing any more and may be forgotten. */
export function expiryOf(state: State): number {
  switch (state.op) {
    case 'window':
      return Math.max(0, ...state.tapes.map((tape) => (tape.entries.at(-2) ?? 0) + tape.windowMs))
    case 'rate':
      return Math.ceil(state.tat)
    case 'lease':
      return Math.max(0, ...state.holders.map((holder) => holder.expiresAt))
  }
}

/** Whether a stored state can serve this ask; a key whose windows were changed in the config starts anew. */
export function fits(state: State, ask: Ask): boolean {
  if (state.op !== ask.op) return false
  if (state.op !== 'window' || ask.op !== 'window') return true
  return (
    state.tapes.length === ask.windows.length &&
    state.tapes.every((tape, index) => tape.windowMs === ask.windows[index]!.windowMs)
  )
}

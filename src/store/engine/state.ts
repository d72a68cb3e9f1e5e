import type { Ask } from '../store'
import type { Tape } from './tape'

interface Kept {
  /** Free for the table that keeps the state, to remember that it has noted the change; the engine leaves it alone. */
  noted: boolean
}

/** State of a `window` ask's key: one tape for each window, in the order of the ask. */
export interface WindowState extends Kept {
  readonly op: 'window'
  readonly tapes: Tape[]
}

/** State of a `rate` ask's key: the theoretical arrival time of GCRA, in milliseconds. */
export interface RateState extends Kept {
  readonly op: 'rate'
  tat: number
  /** When this was written, by the store's clock; only of a bucket of which a slot was reserved ahead. */
  writtenAt?: number
}

/** State of a `lease` ask's key: holders and when each lease ends. Never longer than the largest limit asked. */
export interface LeaseState extends Kept {
  readonly op: 'lease'
  readonly holders: { id: string; expiresAt: number }[]
}

/** State of a `triplet` ask's key. */
export interface TripletState extends Kept {
  readonly op: 'triplet'
  readonly firstAt: number
  /** How often it has passed; 0 while it has only been tried. */
  passes: number
  expiresAt: number
}

/** State of a `merit` ask's key, as of `lastAt`. */
export interface MeritState extends Kept {
  readonly op: 'merit'
  /** Thousandths of a sample. */
  samples: number
  /** Ten-thousandths, from −10,000 to 10,000. */
  mean: number
  /** When the last sample counted; -Infinity before the first. */
  lastAt: number
  expiresAt: number
  /** Of the ask that brought the last sample: so people can be told what is left. */
  halfLifeMs: number
}

/** State of a `distinct` ask's key; see `sketch.ts`. */
export interface DistinctState extends Kept {
  readonly op: 'distinct'
  readonly windowMs: number
  /** When the newer generation began; it lasts `windowMs`. */
  startedAt: number
  /** How many bits are set in either generation. */
  set: number
  /** How many are set in the newer one. */
  newerSet: number
  /** The older generation, then the newer. */
  readonly bits: Uint8Array
}

export type State = WindowState | RateState | LeaseState | TripletState | MeritState | DistinctState

/** The instant after which a key's state says nothing any more and may be forgotten. */
export function expiryOf(state: State): number {
  switch (state.op) {
    case 'window':
      return windowExpiry(state)
    case 'rate':
      return Math.ceil(state.tat)
    case 'lease':
      return leaseExpiry(state)
    case 'triplet':
    case 'merit':
      return state.expiresAt
    case 'distinct':
      return state.startedAt + 2 * state.windowMs
  }
}

function windowExpiry({ tapes }: WindowState): number {
  let latest = 0
  for (const { entries, windowMs } of tapes) {
    const end = (entries[entries.length - 2] ?? 0) + windowMs
    if (end > latest) latest = end
  }
  return latest
}

function leaseExpiry({ holders }: LeaseState): number {
  let latest = 0
  for (const { expiresAt } of holders) if (expiresAt > latest) latest = expiresAt
  return latest
}

/** Whether a stored state can serve this ask; a key whose windows were changed in the config starts anew. */
export function fits(state: State, ask: Ask): boolean {
  if (state.op !== ask.op) return false
  if (state.op === 'distinct' && ask.op === 'distinct') return state.windowMs === ask.windowMs
  if (state.op !== 'window' || ask.op !== 'window') return true
  if (state.tapes.length !== ask.windows.length) return false
  for (let index = 0; index < ask.windows.length; index++) {
    if (state.tapes[index]!.windowMs !== ask.windows[index]!.windowMs) return false
  }
  return true
}

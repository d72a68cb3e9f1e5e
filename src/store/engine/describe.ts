import type { KeyState } from '../store'
import { MEAN_UNITS, SAMPLE_UNITS, samplesLeft } from './merit'
import { valuesAt } from './sketch'
import { type State, expiryOf } from './state'
import { countUnits } from './tape'

/** What a key holds at `now`, for people; undefined when it says nothing any more. */
export function describeKey(key: string, state: State, now: number): KeyState | undefined {
  const expiresAt = expiryOf(state)
  if (expiresAt <= now) return undefined
  const counts = countsOf(state, now)
  if (state.op !== 'merit') return { key, op: state.op, counts, expiresAt }
  const isHeld = samplesLeft(state, state.halfLifeMs, now) > 0
  return { key, op: state.op, counts, mean: isHeld ? state.mean / MEAN_UNITS : 0, expiresAt }
}

function countsOf(state: State, now: number): KeyState['counts'] {
  switch (state.op) {
    case 'window':
      return state.tapes.map((tape) => ({ windowMs: tape.windowMs, count: countUnits(tape, now) }))
    case 'rate':
      return [{ windowMs: Math.max(0, Math.ceil(state.tat - now)), count: state.tat > now ? 1 : 0 }]
    case 'lease':
      return [{ windowMs: 0, count: state.holders.filter((holder) => holder.expiresAt > now).length }]
    case 'triplet':
      return [{ windowMs: 0, count: state.passes }]
    case 'merit':
      return [{ windowMs: 0, count: Math.floor(samplesLeft(state, state.halfLifeMs, now) / SAMPLE_UNITS) }]
    case 'distinct':
      return [{ windowMs: state.windowMs, count: valuesAt(state, now) }]
  }
}

import type { Answer, Ask, LeaseAsk, LeaseRef, TripletAsk, Window, WindowAsk } from '../store'
import { excusedBy } from './excuse'
import { commitMerit, emptyMerit, isMeritOver, judgeMerit } from './merit'
import { mistakeAt } from './mistake'
import { commitRate, followClock, judgeRate } from './rate'
import { commitDistinct, emptySketch, isSketchOver, judgeDistinct } from './sketch'
import {
  type DistinctState,
  type LeaseState,
  type MeritState,
  type RateState,
  type State,
  type TripletState,
  type WindowState,
  fits,
} from './state'
import { append, countUnits, emptyTape, settleTime, timeUntilRoom, trim } from './tape'

/** What the engine needs of a table: the live state of a key, and a place to put a changed one. */
export interface Table {
  get(key: string): State | undefined
  put(key: string, state: State): void
}

/** Passes are written in 32 bits. */
const MOST_PASSES = 2 ** 32 - 1

/** What one batch came to; a {@link Verdict} without knowledge of where it was reached. */
export interface Judgement {
  readonly committed: boolean
  readonly answers: readonly Answer[]
}

/**
 * Judges a batch against a table in one go. The caller makes it atomic: by running it in one turn of the event loop, or
 * in one transaction. States handed out by the table are changed in place only when the batch is committed.
 */
export function judgeBatch(table: Table, asks: readonly Ask[], now: number): Judgement {
  const states = new Array<State | undefined>(asks.length)
  const answers = new Array<Answer>(asks.length)
  let committed = true
  for (let index = 0; index < asks.length; index++) {
    const ask = asks[index]!
    const mistake = mistakeAt(asks, index)
    if (mistake) throw mistake
    if (ask.unless !== undefined) {
      const excused = excusedBy(asks, index, answers)
      if (excused !== undefined) {
        answers[index] = excused
        continue
      }
    }
    const known = table.get(ask.key)
    const state = known !== undefined && fits(known, ask) && !isOver(known, ask, now) ? known : emptyState(ask, now)
    // Whatever becomes of the batch: a client that is deferred for something else has tried all the same.
    if (state !== known && ask.op === 'triplet') table.put(ask.key, state)
    if (ask.op === 'rate' && followClock(state as RateState, ask, now)) table.put(ask.key, state)
    const answer = judgeAsk(state, ask, now)
    states[index] = state
    answers[index] = answer
    if (!answer.ok && ask.enforced && ask.op !== 'merit') committed = false
  }
  if (committed) {
    for (let index = 0; index < asks.length; index++) {
      const ask = asks[index]!
      const state = states[index]
      if (state === undefined || !(answers[index]!.ok || ask.op === 'merit')) continue
      if (commitAsk(state, ask, now)) table.put(ask.key, state)
    }
  }
  return { committed, answers }
}

/** Gives a lease back; returns the changed state, or undefined when the lease is not held. */
export function releaseLease(state: State | undefined, ref: LeaseRef): LeaseState | undefined {
  if (state?.op !== 'lease') return undefined
  const index = state.holders.findIndex((holder) => holder.id === ref.id)
  if (index < 0) return undefined
  state.holders.splice(index, 1)
  return state
}

/** Prolongs a lease, taking it again when it was lost. */
export function renewLease(state: State | undefined, ref: LeaseRef, now: number, ttlMs: number): LeaseState {
  const held: LeaseState = state?.op === 'lease' ? state : { op: 'lease', holders: [], noted: false }
  dropEnded(held, now)
  holdLease(held, ref.id, now + ttlMs)
  return held
}

/** What was forgotten, or what a clock far ahead has made, begins anew. Tapes, buckets and leases see to that themselves. */
function isOver(state: State, ask: Ask, now: number): boolean {
  if (ask.op === 'triplet') return isTripletOver(state as TripletState, ask, now)
  if (ask.op === 'merit') return isMeritOver(state as MeritState, ask, now)
  return ask.op === 'distinct' && isSketchOver(state as DistinctState, now)
}

function isTripletOver({ expiresAt, firstAt }: TripletState, { retryMs }: TripletAsk, now: number): boolean {
  return expiresAt <= now || firstAt - now > retryMs
}

function emptyState(ask: Ask, now: number): State {
  switch (ask.op) {
    case 'window':
      return { op: 'window', tapes: ask.windows.map((window) => emptyTape(window.windowMs)), noted: false }
    case 'rate':
      return { op: 'rate', tat: 0, noted: false }
    case 'lease':
      return { op: 'lease', holders: [], noted: false }
    case 'triplet':
      return { op: 'triplet', firstAt: now, passes: 0, expiresAt: now + ask.retryMs, noted: false }
    case 'merit':
      return emptyMerit(ask)
    case 'distinct':
      return emptySketch(ask, now)
  }
}

function judgeAsk(state: State, ask: Ask, now: number): Answer {
  if (ask.op === 'window') return judgeWindows(state as WindowState, ask, now)
  if (ask.op === 'rate') return judgeRate(state as RateState, ask, now)
  if (ask.op === 'lease') return judgeLease(state as LeaseState, ask, now)
  if (ask.op === 'triplet') return judgeTriplet(state as TripletState, ask, now)
  if (ask.op === 'merit') return judgeMerit(state as MeritState, ask, now)
  return judgeDistinct(state as DistinctState, ask, now)
}

function judgeWindows(state: WindowState, ask: WindowAsk, now: number): Answer {
  let binding = 0
  let bindingCount = 0
  let fullest = -1
  let retryAfterMs = 0
  for (let index = 0; index < ask.windows.length; index++) {
    const { limit }: Window = ask.windows[index]!
    const tape = state.tapes[index]!
    const at = settleTime(tape, now)
    const count = countUnits(tape, at)
    const wait = count + ask.cost <= limit ? 0 : timeUntilRoom(tape, at, limit, ask.cost) + (at - now)
    const fullness = count / limit
    if (wait > retryAfterMs || (retryAfterMs === 0 && fullness > fullest)) {
      binding = index
      bindingCount = count
      fullest = fullness
    }
    if (wait > retryAfterMs) retryAfterMs = wait
  }
  const { limit, windowMs } = ask.windows[binding]!
  return { ok: retryAfterMs === 0, count: bindingCount, limit, windowMs, retryAfterMs }
}

function judgeLease(state: LeaseState, ask: LeaseAsk, now: number): Answer {
  let count = 0
  let firstEnd = Infinity
  let held = false
  for (const holder of state.holders) {
    if (holder.id === ask.id) held = true
    else if (holder.expiresAt > now) {
      count++
      firstEnd = Math.min(firstEnd, holder.expiresAt)
    }
  }
  const ok = held || count < ask.limit
  return { ok, count, limit: ask.limit, windowMs: 0, retryAfterMs: ok ? 0 : Math.max(1, firstEnd - now) }
}

function judgeTriplet({ firstAt, passes }: TripletState, { delayMs }: TripletAsk, now: number): Answer {
  const leftMs = passes > 0 ? 0 : delayMs - Math.max(0, now - firstAt)
  const ok = leftMs <= 0
  return { ok, count: passes, limit: 0, windowMs: delayMs, retryAfterMs: ok ? 0 : leftMs }
}

/** Returns whether the state has changed. */
function commitAsk(state: State, ask: Ask, now: number): boolean {
  if (ask.op === 'window') {
    const { tapes } = state as WindowState
    for (let index = 0; index < tapes.length; index++) {
      const tape = tapes[index]!
      const at = settleTime(tape, now)
      trim(tape, at)
      append(tape, at, ask.windows[index]!.limit, ask.cost)
    }
  } else if (ask.op === 'rate') commitRate(state as RateState, ask, now)
  else if (ask.op === 'triplet') {
    const triplet = state as TripletState
    triplet.passes = Math.min(MOST_PASSES, triplet.passes + 1)
    triplet.expiresAt = now + ask.passMs
  } else if (ask.op === 'lease') {
    const leases = state as LeaseState
    dropEnded(leases, now)
    holdLease(leases, ask.id, now + ask.ttlMs)
  } else if (ask.op === 'merit') return commitMerit(state as MeritState, ask, now)
  else return commitDistinct(state as DistinctState, ask, now)
  return true
}

function holdLease(state: LeaseState, id: string, expiresAt: number): void {
  const holder = state.holders.find((candidate) => candidate.id === id)
  if (holder) holder.expiresAt = expiresAt
  else state.holders.push({ id, expiresAt })
}

function dropEnded(state: LeaseState, now: number): void {
  for (let index = state.holders.length - 1; index >= 0; index--) {
    if (state.holders[index]!.expiresAt <= now) state.holders.splice(index, 1)
  }
}

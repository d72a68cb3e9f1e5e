/**
 * A merit: samples of how somebody behaved, as their number and their mean. Both are whole numbers, thousandths of a
 * sample and ten-thousandths of the mean, and every step of the arithmetic is exact or rounded the same way everywhere,
 * since `scripts/judge-1/` must come to the very same bytes.
 */
import { type Answer, MOST_SAMPLES, type MeritAsk } from '../store'
import type { MeritState } from './state'

export const MEAN_UNITS = 10_000
export const SAMPLE_UNITS = 1000
/** Steps in which the number of samples halves. */
const STEPS = 16
/** After 20 half-lives nothing is left. */
const STEPS_TO_NOTHING = 20 * STEPS
/** What is left after so many steps, in parts of 65,536: 2 to the power of 16 - step / 16. */
const LEFT = [
  65536, 62757, 60097, 57549, 55109, 52773, 50535, 48393, 46341, 44376, 42495, 40693, 38968, 37316, 35734, 34219,
]

export function emptyMerit({ halfLifeMs }: MeritAsk): MeritState {
  return { op: 'merit', samples: 0, mean: 0, lastAt: -Infinity, expiresAt: 0, halfLifeMs, noted: false }
}

/** A merit that was forgotten, or that a clock far ahead has made. */
export function isMeritOver({ expiresAt, lastAt }: MeritState, { keepMs }: MeritAsk, now: number): boolean {
  return expiresAt <= now || lastAt - now > keepMs
}

export function judgeMerit(state: MeritState, ask: MeritAsk, now: number): Answer {
  const samples = samplesLeft(state, ask.halfLifeMs, now)
  const mean = samples === 0 ? 0 : state.mean
  const count = Math.floor(samples / SAMPLE_UNITS)
  const ok = count >= ask.leastSamples && mean >= meanUnits(ask.leastMean)
  return { ok, count, limit: ask.leastSamples, windowMs: 0, retryAfterMs: 0, mean: mean / MEAN_UNITS }
}

/** Takes the sample. Returns false when there is none, or when it comes too soon. */
export function commitMerit(state: MeritState, ask: MeritAsk, now: number): boolean {
  // Too soon is also too soon before: a clock that was put back a little makes no sample count twice, and one that was
  // put back a lot stops none from counting.
  if (ask.sample === undefined || Math.abs(now - state.lastAt) < ask.apartMs) return false
  const before = samplesLeft(state, ask.halfLifeMs, now)
  const samples = Math.min(before + SAMPLE_UNITS, mostUnits(ask.most))
  const mean = before === 0 ? 0 : state.mean
  const sum = mean * (samples - SAMPLE_UNITS) + meanUnits(ask.sample) * SAMPLE_UNITS
  state.mean = Math.floor(sum / samples + 0.5)
  state.samples = samples
  state.lastAt = now
  state.expiresAt = now + ask.keepMs
  state.halfLifeMs = ask.halfLifeMs
  return true
}

/** Thousandths of a sample that are left at `now`. Steps lie on a grid of their own, so that nothing is lost between samples. */
export function samplesLeft({ samples, lastAt }: MeritState, halfLifeMs: number, now: number): number {
  if (halfLifeMs === 0 || samples === 0) return samples
  const steps = Math.floor((now * STEPS) / halfLifeMs) - Math.floor((lastAt * STEPS) / halfLifeMs)
  if (steps <= 0) return samples
  if (steps >= STEPS_TO_NOTHING) return 0
  // Exact until it is rounded down: below 2^48, and divided by powers of two.
  return Math.floor((samples * LEFT[steps % STEPS]!) / 65536 / (1 << Math.floor(steps / STEPS)))
}

/** Ten-thousandths of a mean or a sample, never beyond −1 and 1. */
export function meanUnits(mean: number): number {
  return Math.floor(Math.min(1, Math.max(-1, mean)) * MEAN_UNITS + 0.5)
}

/** Thousandths of the most samples that may be held; a merit can hold one at least. */
export function mostUnits(most: number): number {
  return Math.floor(Math.min(MOST_SAMPLES, Math.max(1, most)) * SAMPLE_UNITS)
}

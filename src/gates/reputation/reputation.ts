import type { KnownMerit } from '../../policy/decision'
import type { Mode } from '../../policy/mode'
import type { Signal } from '../../policy/signal'

/** Whose conduct is remembered, the one that tells most of a client first. */
export const BEARERS = ['client', 'domain', 'network', 'asn'] as const
export type Bearer = (typeof BEARERS)[number]

export interface ReputationPolicy {
  readonly mode: Mode
  /** The remembered samples halve in this time. */
  readonly halfLifeMs: number
  /** Forgotten after this time without a sample. */
  readonly keepMs: number
  /** Points of the worst reputation in the score; the best has as many below 0. */
  readonly points: number
}

/** What is known of a client by now. */
export interface Reputation {
  /** From −1 (bad) over 0 (unknown) to 1 (good). */
  readonly score: number
  /** By how much its limits are multiplied: 0.25 to 4. */
  readonly factor: number
  readonly merits: readonly KnownMerit[]
}

/** Fewer samples say nothing. */
export const LEAST_SAMPLES = 10
/** More are not held, so that what somebody does now counts for something however long he has been good. */
export const MOST_SAMPLES = 100
/** How far each may speak for a client that is itself unknown: a neighbour, a customer of the same provider. */
const WEIGHT: Readonly<Record<Bearer, number>> = { client: 1, domain: 0.7, network: 0.5, asn: 0.4 }
const WIDEST_FACTOR = 4
/** Factors come in steps, so that limits can be worked out beforehand. */
const STEPS_PER_DOUBLING = 2

export const NEUTRAL: Reputation = { score: 0, factor: 1, merits: [] }

/**
 * The reputation of a client from what is remembered of it and of those around it. Each says its part of what the ones
 * before it, which know it better, leave open. What has few samples, or old ones, says little; so all decays to neutral.
 */
export function reputationOf(merits: readonly KnownMerit[]): Reputation {
  let score = 0
  let open = 1
  for (const bearer of BEARERS) {
    const merit = merits.find(({ name }) => name === bearer)
    if (!merit || merit.samples < LEAST_SAMPLES) continue
    const say = open * WEIGHT[bearer] * confidence(merit.samples)
    score += say * merit.mean
    open -= say
  }
  const rounded = Math.round(Math.max(-1, Math.min(1, score)) * 100) / 100
  return merits.length === 0 ? NEUTRAL : { score: rounded, factor: factorOf(rounded), merits }
}

/** 0.5 with the least number of samples, 0.9 with the most. */
function confidence(samples: number): number {
  return samples / (samples + LEAST_SAMPLES)
}

function factorOf(score: number): number {
  const doublings = Math.log2(WIDEST_FACTOR) * score
  return 2 ** (Math.round(doublings * STEPS_PER_DOUBLING) / STEPS_PER_DOUBLING)
}

/** A good one is taken at its word where a stranger is not: greylisting, the jail, the limit of new senders. */
export const PROVEN_MEAN = 0.6

/** Whether the client itself has proven itself; its neighbours speak neither for nor against it. */
export function isProven({ merits }: Reputation): boolean {
  return merits.some(({ name, samples, mean }) => name === 'client' && samples >= LEAST_SAMPLES && mean >= PROVEN_MEAN)
}

/** What a reputation says in the score; undefined when it says nothing. */
export function reputationSignal({ score }: Reputation, points: number): Signal | undefined {
  const weight = Math.round(-score * points * 100) / 100
  return weight === 0 ? undefined : { source: 'reputation', name: score > 0 ? 'good' : 'bad', weight }
}

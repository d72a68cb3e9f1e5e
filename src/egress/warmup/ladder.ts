/** How much more a day each step of a warm-up is. Figures are recipients a day. */
export interface Ladder {
  /** The first day's, and the least that is ever left. */
  readonly start: number
  /** Of the day before, from 0 to 1; counts where there is no table. */
  readonly growth: number
  /** In place of growth: what follows the start, rising. */
  readonly stages: readonly number[] | undefined
  /** Who may send so many is warm, and held to nothing. */
  readonly until: number
  /** Rest takes it down again: an address is forgotten by those it sends to, and a customer is not. */
  readonly cools: boolean
}

/** The longest ladder: by 1 % a day from one recipient to the most there is. */
const MOST_STEPS = 2500

/** A step up. At `until` the ladder ends. */
export function stepUp({ growth, stages, until }: Ladder, quota: number): number {
  const above = stages ? (stages.find((stage) => stage > quota) ?? until) : Math.floor(quota * (1 + growth))
  return Math.min(until, Math.max(quota + 1, above))
}

/** A step down. Who has less than the start, by a person's word, keeps that. */
export function stepDown({ start, growth, stages, until }: Ladder, quota: number): number {
  const from = Math.min(quota, until)
  const below = stages ? (stages.findLast((stage) => stage < from) ?? start) : Math.ceil(from / (1 + growth))
  return Math.min(from, Math.max(start, Math.min(below, from - 1)))
}

export function isWarm({ until }: Ladder, quota: number): boolean {
  return quota >= until
}

/** The quotas from one on, day by day, if each day goes well: the last one is `until`. */
export function planFrom(ladder: Ladder, quota: number, most = MOST_STEPS): number[] {
  const plan = [Math.min(quota, ladder.until)]
  while (plan.length < most && plan.at(-1)! < ladder.until) plan.push(stepUp(ladder, plan.at(-1)!))
  return plan
}

/** The quota of a stage, counted from 1. */
export function quotaOf(ladder: Ladder, stage: number): number {
  return planFrom(ladder, ladder.start, stage).at(-1)!
}

/** The stage that a quota has reached, counted from 1. */
export function stageOf(ladder: Ladder, quota: number): number {
  const plan = planFrom(ladder, ladder.start)
  return Math.max(1, plan.findLastIndex((one) => one <= quota) + 1)
}

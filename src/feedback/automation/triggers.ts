import { keyText } from '../../keys/key'
import { countingAsk } from '../../policy/counting'
import { MAX_ASKS, type Store } from '../../store/store'
import type { Classifier } from '../classifier'
import type { Trigger } from './consequence'

/** How many recipients there were for each target, this time included; undefined where the store cannot tell. */
export type Volumes = ReadonlyMap<string, number> | undefined

/** Counts answers until something is to be done for them, over all hosts that share the store. Rejects with `StoreError`. */
export class Triggers {
  constructor(private readonly store: () => Store) {}

  /** Counts recipients, by the keys of `volumeKey`, of whatever they were answered. */
  async volumes(counts: ReadonlyMap<string, { readonly count: number; readonly windowMs: number }>): Promise<Volumes> {
    const all = [...counts]
    const volumes = new Map<string, number>()
    for (let at = 0; at < all.length; at += MAX_ASKS) {
      const some = all.slice(at, at + MAX_ASKS)
      const { answers, degraded } = await this.store().judge(
        some.map(([key, { count, windowMs }]) => countingAsk(key, count, windowMs)),
      )
      // What one process has seen is not what all have.
      if (degraded) return undefined
      for (const [index, [key, { count }]] of some.entries()) volumes.set(key, answers[index]!.count + count)
    }
    return volumes
  }

  /**
   * Whether so many answers are there now. What was counted is not taken back: three in an hour set it off at the third, and
   * at each one after.
   */
  async isPulled(rule: string, trigger: Trigger, target: string, count: number, volumes: Volumes): Promise<boolean> {
    if (trigger.kind === 'immediate') return true
    const { answers, degraded } = await this.store().judge([
      countingAsk(answerKey(rule, target), count, trigger.windowMs),
    ])
    if (degraded) return false
    const hits = answers[0]!.count + count
    if (trigger.kind === 'count') return hits >= trigger.limit
    const all = volumes?.get(volumeKey(target, trigger.windowMs)) ?? 0
    return all >= trigger.least && hits >= trigger.share * all
  }
}

/** Keys of all that rules count of a target, so that it can be forgotten. */
export function countersOf(target: string, { counting, sharesWanted }: Pick<Classifier, 'counting' | 'sharesWanted'>) {
  const windows = new Set(sharesWanted.flatMap(({ trigger }) => (trigger.kind === 'share' ? trigger.windowMs : [])))
  return [...counting.map((rule) => answerKey(rule, target)), ...[...windows].map((ms) => volumeKey(target, ms))]
}

function answerKey(rule: string, target: string): string {
  return keyText('answer', [rule, target])
}

export function volumeKey(target: string, windowMs: number): string {
  return keyText('answered', [target, String(windowMs)])
}

import { keyText } from '../keys/key'
import { countingAsk } from '../policy/counting'
import { type Ask, MAX_ASKS } from '../store/store'
import type { Feedback } from './feedback'

/** What is counted of our mail. `hard` and `soft` are bounces: there is no use in writing there, or there may be. */
export const COUNTED = ['delivered', 'deferred', 'soft', 'hard', 'complaint', 'unsubscribe'] as const
export type Counted = (typeof COUNTED)[number]

/** By whom and what it is counted. */
export const COUNTED_BY = ['tenant', 'account', 'provider', 'campaign'] as const
export type CountedBy = (typeof COUNTED_BY)[number]

/** Windows of all counters. */
export const WINDOWS_MS = { '1h': 3_600_000, '24h': 86_400_000, '7d': 7 * 86_400_000 } as const
const WINDOWS: readonly number[] = Object.values(WINDOWS_MS)

/** Beginning of all keys, `feedback_tenant|hard|acme`; of a campaign the tenant stands before: `feedback_campaign|hard|acme|spring`. */
export const COUNTER_PREFIX = 'feedback_'
const NAMES = COUNTED_BY.map((by) => [by, `${COUNTER_PREFIX}${by}`] as const)

/** The counter of somebody; of a campaign `names` are the tenant and the campaign. */
export function counterKey(by: CountedBy, counted: Counted, names: readonly string[]): string {
  return keyText(`${COUNTER_PREFIX}${by}`, [counted, ...names])
}

/** What a counter counts, by its key; undefined for any other key. Names that were too long to keep are `#…`. */
export function readCounterKey(
  key: string,
): { readonly by: CountedBy; readonly counted: Counted; readonly names: readonly string[] } | undefined {
  const [name, what, ...names] = key.split('|')
  const by = NAMES.find(([, prefix]) => prefix === name)?.[0]
  const counted = COUNTED.find((one) => one === what)
  return by && counted && { by, counted, names: names.map(plainName) }
}

export function countedOf({ kind, answer }: Pick<Feedback, 'kind' | 'answer'>): Counted {
  if (kind === 'bounced') return answer?.isHard === true ? 'hard' : 'soft'
  return kind
}

/** Mail without an account has no tenant; what matches no provider is `other`. */
export function counterKeysOf(said: Pick<Feedback, 'kind' | 'answer' | 'origin' | 'provider'>): string[] {
  const { tenant, account, campaign } = said.origin
  const counted = countedOf(said)
  const keys = [counterKey('provider', counted, [said.provider ?? 'other'])]
  if (tenant !== undefined) keys.push(counterKey('tenant', counted, [tenant]))
  if (account !== undefined) keys.push(counterKey('account', counted, [account]))
  if (campaign !== undefined) keys.push(counterKey('campaign', counted, [tenant ?? '', campaign]))
  return keys
}

/** Counts wait so long for others of the same key. */
const GATHER_MS = 1000
/** Different keys that wait; beyond it they are written at once. */
const MOST_WAITING = 10_000

/** Counts what the world says of our mail, in the store: a write a second for each key, however much is said. */
export class FeedbackCounters {
  private readonly waiting = new Map<string, number>()
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly learn: (asks: readonly Ask[]) => void) {}

  readonly note = (said: readonly Feedback[]): void => {
    for (const one of said) {
      for (const key of counterKeysOf(one)) this.waiting.set(key, (this.waiting.get(key) ?? 0) + 1)
    }
    if (this.waiting.size >= MOST_WAITING) this.flush()
    else if (this.waiting.size > 0) this.timer ??= setTimeout(() => this.flush(), GATHER_MS).unref()
  }

  /** Hands over what waits. */
  flush(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    const asks = [...this.waiting].map(([key, cost]) => countingAsk(key, cost, ...WINDOWS))
    this.waiting.clear()
    for (let start = 0; start < asks.length; start += MAX_ASKS) this.learn(asks.slice(start, start + MAX_ASKS))
  }
}

function plainName(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

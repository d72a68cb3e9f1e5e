import { keyText } from '../../keys/key'
import type { RateAsk, Store, WindowAsk } from '../../store/store'
import type { DayFigures } from './judge'
import type { WarmupId } from './policy'
import type { Rate } from './spread'

/** What others say of mail, as far as a warm-up is judged by it. */
export type SaidCount = 'delivered' | 'bounced' | 'deferred' | 'complaints'

/** What is counted of a day in the store; `over`: what would have waited, in shadow; `back`: what was taken and no host saw. */
export type Count = 'sent' | 'back' | 'over' | SaidCount

/** Long enough for a clock that is put back by days: the same day is never counted anew. */
const BUDGET_MS = 10 * 86_400_000
/** What was said of a day is judged when it is over, or soon after. */
const SAID_MS = 4 * 86_400_000
/** No day has so many. */
const MANY = 1_000_000_000

/** The parts that tell one warm-up from all others, in keys. */
export function partsOf(id: WarmupId): string[] {
  return 'tenant' in id ? ['tenant', id.tenant] : ['source', id.source, id.group]
}

export function countAsk(id: WarmupId, date: string, count: Count, cost: number): WindowAsk {
  return { ...windowAsk(id, date, count, MANY), cost, enforced: false }
}

/** Answers with the count, and counts nothing. */
function readAsk(id: WarmupId, date: string, count: Count): WindowAsk {
  return { ...windowAsk(id, date, count, 0), cost: 1, enforced: false }
}

/** Takes of a day's quota: never more than that, whoever asks. The date is part of the key, so each day has its own. */
export function budgetAsk(id: WarmupId, date: string, quota: number, cost: number): WindowAsk {
  return { ...windowAsk(id, date, 'sent', quota), cost, enforced: true }
}

function windowAsk(id: WarmupId, date: string, count: Count, limit: number): WindowAsk {
  const windowMs = count === 'sent' || count === 'back' ? BUDGET_MS : SAID_MS
  const key = keyText(`egress_warmup_${count}`, [...partsOf(id), date])
  return { op: 'window', key, enforced: false, windows: [{ limit, windowMs }], cost: 1 }
}

/** The spread goes on over midnight, so that a day does not begin with a heap. */
export function rateAsk(id: WarmupId, { intervalMs, burst }: Rate, cost: number): RateAsk {
  const key = keyText('egress_warmup_rate', partsOf(id))
  return { op: 'rate', key, enforced: true, intervalMs, burst, cost: Math.min(cost, burst) }
}

export interface Counts extends DayFigures {
  readonly over: number
  /** Of the quota: what was taken, and not given back. */
  readonly back: number
}

/** What is known of a day. Rejects with `StoreError`. */
export async function readCounts(store: Store, id: WarmupId, date: string): Promise<Counts> {
  const names = ['sent', 'back', 'over', 'delivered', 'bounced', 'deferred', 'complaints'] as const
  const { answers } = await store.judge(names.map((name) => readAsk(id, date, name)))
  const [taken, back, over, delivered, bounced, deferred, complaints] = answers.map(({ count }) => count) as [
    ...[number, number, number, number, number, number, number],
  ]
  return { sent: Math.max(0, taken - back), back, over, delivered, bounced, deferred, complaints }
}

export async function readBack(store: Store, id: WarmupId, date: string): Promise<number> {
  const { answers } = await store.judge([readAsk(id, date, 'back')])
  return answers[0]!.count
}

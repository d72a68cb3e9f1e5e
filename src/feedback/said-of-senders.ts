import type { SaidCount } from '../egress/warmup/counters'
import { courseKey } from '../egress/warmup/desk'
import { OTHER, type WarmupId } from '../egress/warmup/policy'
import type { Feedback } from './feedback'
import type { ResponseClass } from './response-class'

/** What was said of the mail of a source to a provider, or of a tenant, in recipients. */
export interface SaidOfSender {
  readonly id: WarmupId
  readonly counts: Partial<Record<SaidCount, number>>
}

/** About a mailbox or one session, or what any stranger is told at first: no reason to send less. */
const SAYS_NOTHING: ReadonlySet<ResponseClass> = new Set([
  'greylist',
  'mailbox_full',
  'recipient_rate',
  'session_cap',
  'dns',
])

/** What counts for and against senders, added up. What is not known to be of anybody is left out. */
export function saidOfSenders(said: readonly Feedback[]): SaidOfSender[] {
  const found = new Map<string, { id: WarmupId; counts: Partial<Record<SaidCount, number>> }>()
  for (const one of said) {
    const count = countOf(one)
    if (count === undefined) continue
    for (const id of idsOf(one)) {
      const key = courseKey(id)
      const known = found.get(key) ?? { id, counts: {} }
      known.counts[count] = (known.counts[count] ?? 0) + 1
      found.set(key, known)
    }
  }
  return [...found.values()]
}

function idsOf({ source, provider: group = OTHER, origin: { tenant } }: Feedback): WarmupId[] {
  const ids: WarmupId[] = source === undefined ? [] : [{ source, group }]
  return tenant === undefined ? ids : [...ids, { tenant }]
}

function countOf({ kind, answer }: Feedback): SaidCount | undefined {
  switch (kind) {
    case 'delivered':
    case 'bounced':
      return kind
    case 'deferred':
      return answer && SAYS_NOTHING.has(answer.responseClass) ? undefined : kind
    case 'complaint':
      return 'complaints'
    case 'unsubscribe':
      return undefined
  }
}

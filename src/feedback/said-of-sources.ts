import type { SaidCount } from '../egress/warmup/counters'
import { OTHER } from '../egress/warmup/policy'
import type { Feedback } from './feedback'
import type { ResponseClass } from './response-class'

/** What was said of the mail of a source to a provider, in recipients. */
export interface SaidOfSource {
  readonly source: string
  readonly group: string
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

/** What counts for and against a source, added up. What is not known to be of a source is left out. */
export function saidOfSources(said: readonly Feedback[]): SaidOfSource[] {
  const found = new Map<string, { source: string; group: string; counts: Partial<Record<SaidCount, number>> }>()
  for (const one of said) {
    const count = countOf(one)
    const { source, provider: group = OTHER } = one
    if (count === undefined || source === undefined) continue
    const key = `${source}|${group}`
    const known = found.get(key) ?? { source, group, counts: {} }
    known.counts[count] = (known.counts[count] ?? 0) + 1
    found.set(key, known)
  }
  return [...found.values()]
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

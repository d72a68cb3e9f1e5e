import type { JudgementPolicy } from './policy'

/** What became of a day, in recipients. */
export interface DayFigures {
  /** Offered to a host, each time that it was. */
  readonly sent: number
  readonly delivered: number
  readonly bounced: number
  /** Put off for what we are or do, not for what ails one mailbox, and not by greylisting. */
  readonly deferred: number
  readonly complaints: number
}

export const NO_FIGURES: DayFigures = { sent: 0, delivered: 0, bounced: 0, deferred: 0, complaints: 0 }

export interface Judgement {
  readonly verdict: 'up' | 'hold' | 'down'
  /** In figures, for people. */
  readonly why: string
}

/** A rate that is so many times what it may be takes a step down. */
const FAR_OVER = 2

/**
 * Whether a day is followed by a step up. Only one that was used and went well is; one that went much worse than it may by a
 * step down, and every other leaves things as they are.
 */
export function judgeDay(policy: JudgementPolicy, quota: number, figures: DayFigures): Judgement {
  const { sent, delivered, bounced, deferred, complaints } = figures
  const answers = delivered + bounced + deferred
  const share = (count: number, of: number) => (of === 0 ? 0 : count / of)
  const rates = [
    { what: 'not delivered', rate: share(answers - delivered, answers), most: 1 - policy.delivered },
    { what: 'bounced', rate: share(bounced, answers), most: policy.bounces },
    { what: 'deferred', rate: share(deferred, answers), most: policy.deferrals },
    { what: 'complaints', rate: share(complaints, Math.max(delivered, complaints)), most: policy.complaints },
  ]
  // Shares such as 1 - 0.9 are not exact, and nobody means the last digit.
  const over = rates.filter(({ rate, most }) => rate - most > -1e-9 && rate > 0)
  const far = over.filter(({ rate, most }) => rate - most * FAR_OVER > -1e-9)
  const said = (ones: typeof rates) =>
    ones.map(({ what, rate, most }) => `${what} ${percent(rate)} (less than ${percent(most)})`).join(', ')
  if (far.length > 0 && answers >= policy.least) return { verdict: 'down', why: said(far) }
  if (over.length > 0) return { verdict: 'hold', why: said(over) }
  if (sent < quota * policy.used) return { verdict: 'hold', why: `used ${percent(share(sent, quota))} of it` }
  if (answers === 0) return { verdict: 'hold', why: 'no answers are known' }
  const good = percent(share(delivered, answers))
  return { verdict: 'up', why: `${good} delivered, used ${percent(share(sent, quota))} of it` }
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(share < 0.01 ? 2 : 1))}%`
}

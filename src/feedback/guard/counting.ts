import type { Feedback, FeedbackAnswer } from '../feedback'
import { recipientKey } from '../recipient-key'
import type { ResponseClass, ResponseScope } from '../response-class'

/** What is counted of a sender's recipients. Each pair of a share is counted together, so that no share exceeds 1. */
export const COUNTERS = ['begun', 'soft', 'ended', 'hard', 'delivered', 'complaints'] as const
export type Counter = (typeof COUNTERS)[number]
export type Counts = { -readonly [counter in Counter]: number }

/** Whoever sends this gets these: how much is sent in what time, and what is out of order at either end. */
const NOBODYS_FAULT: ReadonlySet<ResponseClass> = new Set([
  ...(['rate', 'connections', 'session_cap', 'busy', 'greylist'] as const),
  ...(['recipient_rate', 'tls', 'dns', 'timeout'] as const),
])
/** About an address that many send from, or about a domain that is the sender's own: that is in the scope. */
const BY_SCOPE: ReadonlySet<ResponseClass> = new Set(['reputation', 'listed'])
const OF_SENDERS: ReadonlySet<ResponseScope> = new Set(['message', 'spf_domain', 'dkim_domain', 'url', 'sender'])

/** Whether an answer speaks against who has sent the message, rather than against us, or the other side. */
export function isAgainstSender({ responseClass, scope }: Pick<FeedbackAnswer, 'responseClass' | 'scope'>): boolean {
  if (BY_SCOPE.has(responseClass)) return OF_SENDERS.has(scope)
  return !NOBODYS_FAULT.has(responseClass)
}

export function noCounts(): Counts {
  return { begun: 0, soft: 0, ended: 0, hard: 0, delivered: 0, complaints: 0 }
}

/** Recipients counted for their deferral, and not yet at their end; the oldest are forgotten. */
const MOST_DEFERRED = 100_000

/**
 * What each word about a recipient adds. A recipient of a message is counted once however often it is tried: for the share of
 * soft bounces at the first word that speaks for or against the sender, for that of hard bounces at its end
 * (docs/decisions/0021).
 */
export class Counting {
  private readonly deferred = new Set<number>()

  /** Undefined: nothing. */
  countsOf(said: Pick<Feedback, 'kind' | 'answer' | 'origin' | 'recipient' | 'provider'>): Counts | undefined {
    const { kind, answer } = said
    switch (kind) {
      case 'complaint':
        return { ...noCounts(), complaints: 1 }
      case 'unsubscribe':
        // The link did what it is there for.
        return undefined
      case 'deferred':
        return answer && isAgainstSender(answer) && this.defer(said) ? { ...noCounts(), begun: 1, soft: 1 } : undefined
      case 'delivered':
        return { ...noCounts(), begun: this.end(said), ended: 1, delivered: 1 }
      case 'bounced':
        return this.bounced(said)
    }
  }

  private bounced(said: Pick<Feedback, 'answer' | 'origin' | 'recipient' | 'provider'>): Counts {
    const { answer, provider } = said
    const begun = this.end(said)
    if (answer?.isHard) return { ...noCounts(), begun, ended: 1, hard: 1 }
    // Without an answer nobody was there in all the time that it was tried. A provider that is known is there: it, or our way
    // to it, was out of order, for all senders alike.
    const isSoft = answer === undefined ? provider === undefined : isAgainstSender(answer)
    return { ...noCounts(), begun, soft: isSoft ? begun : 0, ended: 1 }
  }

  /** Whether it is the first deferral of the recipient. */
  private defer(said: Pick<Feedback, 'origin' | 'recipient'>): boolean {
    const key = recipientKey(said)
    if (this.deferred.has(key)) return false
    this.deferred.add(key)
    if (this.deferred.size > MOST_DEFERRED) this.deferred.delete(this.deferred.values().next().value!)
    return true
  }

  /** 1 for a recipient that was not counted as begun before. */
  private end(said: Pick<Feedback, 'origin' | 'recipient'>): number {
    return this.deferred.delete(recipientKey(said)) ? 0 : 1
  }
}

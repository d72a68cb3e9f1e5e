import { isSubmitted } from '../egress/label'
import type { Clock } from '../store/store'
import type { Feedback } from './feedback'
import type { NewSuppression } from './suppression'
import type { SuppressionList } from './suppression-list'

export interface SuppressingOptions {
  readonly list: Pick<SuppressionList, 'learn'>
  /** Nothing is learned while the list is switched off. */
  readonly isOff?: () => boolean
  /** What could not be written; it is learned again when it happens again. Must not throw. */
  readonly onFailure: (error: unknown) => void
  readonly clock?: Clock
}

/** A message may have thousands of recipients: what comes together is written together. */
const MOST_AT_ONCE = 500
/** What waits for a store that is slow; of more, the newest are left out, and that is told. */
const MOST_WAITING = 20_000

/**
 * Puts on the suppression list whom the world tells us not to write to. Who complains or unsubscribes is spared by the tenant
 * whose mail it was: he may want that of another. Where there is nobody, there is nobody for all.
 */
export class Suppressing {
  private readonly clock: Clock
  private waiting: NewSuppression[] = []
  private writing: Promise<void> | undefined
  private leftOut = 0

  constructor(private readonly options: SuppressingOptions) {
    this.clock = options.clock ?? Date.now
  }

  /** Never throws. */
  read(all: readonly Feedback[]): void {
    for (const said of all) {
      const { kind, recipient, origin, via } = said
      if (kind !== 'complaint' && kind !== 'unsubscribe') continue
      this.add({ address: recipient, tenant: origin.tenant, reason: kind, detail: undefined, by: via })
    }
  }

  /**
   * A rule says that there is no use in writing there for so long. What strangers write that is passed on teaches nothing: they
   * guess addresses, and would fill the list.
   */
  bounced({ recipient, answer, via, origin }: Feedback, forMs: number): void {
    if (!isSubmitted(origin)) return
    const detail =
      answer && [answer.code || undefined, answer.enhanced, answer.text].filter((part) => part !== undefined)
    const until = this.clock() + forMs
    this.add({ address: recipient, reason: 'hard_bounce', detail: detail?.join(' '), until, by: via })
  }

  /** Resolves when all is written, or has failed. */
  async settled(): Promise<void> {
    while (this.writing) await this.writing
  }

  private add(entry: NewSuppression): void {
    if (this.options.isOff?.()) return
    if (this.waiting.length >= MOST_WAITING) this.leftOut++
    else this.waiting.push(entry)
    // What else is said in this turn of the loop comes along.
    this.writing ??= Promise.resolve()
      .then(() => this.write())
      .catch(this.options.onFailure)
      .finally(() => (this.writing = undefined))
  }

  private async write(): Promise<void> {
    while (this.waiting.length > 0) {
      const some = this.waiting.splice(0, MOST_AT_ONCE)
      await this.options.list.learn(some).catch(this.options.onFailure)
    }
    if (this.leftOut === 0) return
    const count = this.leftOut
    this.leftOut = 0
    throw new Error(`${count} addresses were not suppressed: too many at a time`)
  }
}

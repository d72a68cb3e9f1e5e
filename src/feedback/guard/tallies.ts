import { tellReply } from '../../egress/smtp-reply'
import { SENDER_KINDS, type SenderName, senderTarget } from '../../egress/sender-target'
import { Recent } from '../../egress/recent'
import type { FeedbackAnswer } from '../feedback'
import { COUNTERS, type Counts, noCounts } from './counting'

/** What was said of a sender since the store was last told. */
export interface Tally {
  readonly name: SenderName
  readonly target: string
  readonly counts: Counts
}

const MOST_SENDERS = 10_000
const MOST_ANSWERS = 8
const MOST_TEXT = 120

/** What is to be told to the store, by sender. Bounded: of more senders than that nothing more is taken until it is told. */
export class Tallies {
  private fresh = new Map<string, Tally>()
  /** Answers by how often they came, for evidence: as far as this process has heard them. */
  private readonly answers = new Recent<Map<string, number>>(MOST_SENDERS)
  /** Senders that were passed over since the start because there were too many at once. */
  passedOver = 0

  get size(): number {
    return this.fresh.size
  }

  add(name: SenderName, counts: Counts): void {
    const tally = this.of(name)
    if (!tally) {
      this.passedOver++
      return
    }
    for (const counter of COUNTERS) tally.counts[counter] += counts[counter]
  }

  /** Has a sender looked at again although nothing new was said of him. */
  touch(name: SenderName): void {
    this.of(name)
  }

  /** An answer that speaks against a sender. */
  hear(target: string, answer: FeedbackAnswer): void {
    const text = tellReply(answer).slice(0, MOST_TEXT)
    const heard = this.answers.of(target, (known) => known ?? new Map<string, number>())
    heard.set(text, (heard.get(text) ?? 0) + 1)
    if (heard.size <= MOST_ANSWERS) return
    const [rarest] = [...heard].sort(([, a], [, b]) => a - b)[0]!
    heard.delete(rarest)
  }

  /** The answer that came the most often. */
  mostHeard(target: string): string | undefined {
    const heard = this.answers.get(target)
    return heard && [...heard].sort(([, a], [, b]) => b - a)[0]?.[0]
  }

  forgetAnswers(target: string): void {
    this.answers.forget(target)
  }

  /** All there is, the most particular senders first. */
  take(): Tally[] {
    const taken = [...this.fresh.values()]
    this.fresh = new Map()
    return taken.sort((a, b) => SENDER_KINDS.indexOf(a.name.kind) - SENDER_KINDS.indexOf(b.name.kind))
  }

  private of(name: SenderName): Tally | undefined {
    const target = senderTarget(name)
    const known = this.fresh.get(target)
    if (known || this.fresh.size >= MOST_SENDERS) return known
    const tally = { name, target, counts: noCounts() }
    this.fresh.set(target, tally)
    return tally
  }
}

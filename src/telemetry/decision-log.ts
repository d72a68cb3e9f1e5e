import type { Outcome } from '../policy/decision'
import { type DecisionRecord, decisionLine, parseDecisionLine } from './decision-record'
import type { Reader } from './events'
import { Journal, type JournalOptions } from './journal'
import type { JournalKind } from './journal-kind'
import { type JournalFilter, JournalReading, type ReadLimits } from './journal-reader'
import { RefusalQuota } from './refusal-quota'

export { type LogFile, MOST_WAITING } from './journal'
export type { DecisionRecord, RecordedDecision } from './decision-record'

export interface DecisionLogOptions extends JournalOptions {
  /** `denied`: only stages where something was, or in shadow would have been, refused. */
  readonly record: 'all' | 'denied'
}

const DECISIONS: JournalKind<Outcome, DecisionRecord> = {
  name: 'decisions',
  title: 'decision log',
  noun: 'decisions',
  share: 3 / 4,
  line: decisionLine,
  parse: parseDecisionLine,
}

/** The decision log: judged stages as JSON lines, see `decision-record.ts`. */
export class DecisionLog extends Journal<Outcome> {
  readonly reader: Reader
  private readonly refusals = new RefusalQuota()
  /** Refused connections that were left out, see {@link RefusalQuota}. */
  passedOver = 0

  constructor(options: DecisionLogOptions) {
    super(DECISIONS, options)
    const deniedOnly = options.record === 'denied'
    this.reader = (event) => {
      if (event.kind !== 'judged') return
      const { outcome } = event
      if (deniedOnly && outcome.decisions.length === 0) return
      if (this.refusals.allows(outcome)) this.record(outcome)
      else this.passedOver++
    }
  }
}

export type DecisionFilter = JournalFilter<DecisionRecord>
export type DecisionReading = JournalReading<DecisionRecord>

/** The records of the decision log that a filter lets through, newest first, see {@link JournalReading}. */
export function readDecisions(folder: string, filter: DecisionFilter, limits: ReadLimits): DecisionReading {
  return new JournalReading(DECISIONS, folder, filter, limits)
}

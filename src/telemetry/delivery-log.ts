import { type DeliveryRecord, deliveryLine, parseDeliveryLine } from './delivery-record'
import type { AttemptEvent, Reader } from './events'
import { Journal, type JournalOptions } from './journal'
import type { JournalKind } from './journal-kind'
import { type JournalFilter, JournalReading, type ReadLimits } from './journal-reader'
import { resultOfAttempt } from './result'

export type { DeliveryRecord } from './delivery-record'

export interface DeliveryLogOptions extends JournalOptions {
  /** `denied`: only attempts that did not deliver to all. */
  readonly record: 'all' | 'denied'
}

const DELIVERIES: JournalKind<AttemptEvent, DeliveryRecord> = {
  name: 'deliveries',
  title: 'delivery log',
  noun: 'attempts to deliver',
  share: 1 / 4,
  line: deliveryLine,
  parse: parseDeliveryLine,
}

/**
 * The delivery log: attempts to deliver as JSON lines, see `delivery-record.ts`, beside the decision log. None is left
 * out for a flood: somebody may ask for any message.
 */
export class DeliveryLog extends Journal<AttemptEvent> {
  readonly reader: Reader

  constructor(options: DeliveryLogOptions) {
    super(DELIVERIES, options)
    const all = options.record === 'all'
    this.reader = (event) => {
      if (event.kind === 'attempt' && (all || resultOfAttempt(event) !== 'delivered')) this.record(event)
    }
  }
}

export type DeliveryFilter = JournalFilter<DeliveryRecord>
export type DeliveryReading = JournalReading<DeliveryRecord>

/** The records of the delivery log that a filter lets through, newest first, see {@link JournalReading}. */
export function readDeliveries(folder: string, filter: DeliveryFilter, limits: ReadLimits): DeliveryReading {
  return new JournalReading(DELIVERIES, folder, filter, limits)
}

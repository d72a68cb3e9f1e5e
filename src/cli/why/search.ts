import { Recent } from '../../egress/recent'
import { type DecisionRecord, type DecisionReading, readDecisions } from '../../telemetry/decision-log'
import { type DeliveryReading, type DeliveryRecord, readDeliveries } from '../../telemetry/delivery-log'
import type { Query } from './query'

/** What is found, of either kind. */
export type Finding =
  | { readonly kind: 'decision'; readonly record: DecisionRecord }
  | {
      readonly kind: 'delivery'
      readonly record: DeliveryRecord
      /** The last attempt at the same message, when this one is not it. */
      readonly last: DeliveryRecord | undefined
    }

export interface SearchLimits {
  readonly since: number
  /** Ends after so many findings, of both kinds together. */
  readonly most: number
  /** Also show what was accepted without a remark, and what was delivered. */
  readonly all: boolean
}

/** Messages of which the last attempt is kept; of more, earlier attempts do not tell what came of them. */
const MOST_MESSAGES = 10_000

/** Findings that are not shown because nothing was wrong with them. */
export class Untold {
  count = 0
  lastAt: number | undefined

  add(at: number): void {
    this.count++
    this.lastAt ??= at
  }
}

/** One search through the decision log and the delivery log of a folder, newest first. */
export class Search {
  readonly shown: Finding[] = []
  readonly accepted = new Untold()
  readonly delivered = new Untold()
  private readonly decisions: DecisionReading
  private readonly deliveries: DeliveryReading | undefined

  constructor(
    readonly folder: string,
    readonly query: Query,
    readonly limits: SearchLimits,
  ) {
    const { since } = limits
    const limit = { most: Infinity }
    this.decisions = readDecisions(folder, { ...query, since }, limit)
    if (query.attempts) this.deliveries = readDeliveries(folder, { ...query.attempts, since }, limit)
  }

  async run(): Promise<void> {
    for await (const finding of newestFirst(findings(this.decisions, this.deliveries))) {
      const untold = this.untoldFor(finding)
      if (untold) untold.add(finding.record.t)
      else if (this.shown.push(finding) >= this.limits.most) return
    }
  }

  get found(): number {
    return this.shown.length + this.accepted.count + this.delivered.count
  }

  get tally(): { readonly files: number; readonly bytesRead: number; readonly garbageLines: number } {
    const { decisions, deliveries } = this
    return {
      files: decisions.files + (deliveries?.files ?? 0),
      bytesRead: decisions.bytesRead + (deliveries?.bytesRead ?? 0),
      garbageLines: decisions.garbageLines + (deliveries?.garbageLines ?? 0),
    }
  }

  private untoldFor(finding: Finding): Untold | undefined {
    if (this.limits.all) return undefined
    if (finding.kind === 'decision') return finding.record.decisions.length === 0 ? this.accepted : undefined
    // Who asks for one message wants to hear that it has arrived.
    const isTold = finding.record.result !== 'delivered' || this.query.message !== undefined
    return isTold ? undefined : this.delivered
  }
}

function findings(decisions: DecisionReading, deliveries: DeliveryReading | undefined): AsyncGenerator<Finding>[] {
  const ofDecisions = async function* (): AsyncGenerator<Finding> {
    for await (const record of decisions) yield { kind: 'decision', record }
  }
  const lastOf = new Recent<DeliveryRecord>(MOST_MESSAGES)
  const ofDeliveries = async function* (): AsyncGenerator<Finding> {
    for await (const record of deliveries ?? []) {
      const last = lastOf.get(record.file)
      if (!last) lastOf.set(record.file, record)
      yield { kind: 'delivery', record, last }
    }
  }
  return [ofDecisions(), ofDeliveries()]
}

/** Joins what is newest first in each. Whoever ends early closes them all. */
async function* newestFirst(sources: readonly AsyncGenerator<Finding>[]): AsyncGenerator<Finding> {
  try {
    let heads = await Promise.all(sources.map(async (source) => ({ source, head: await source.next() })))
    for (;;) {
      heads = heads.filter(({ head }) => head.done !== true)
      if (heads.length === 0) return
      const newest = heads.reduce((a, b) => (timeOf(b.head) > timeOf(a.head) ? b : a))
      yield newest.head.value as Finding
      newest.head = await newest.source.next()
    }
  } finally {
    await Promise.all(sources.map((source) => source.return(undefined)))
  }
}

function timeOf({ value }: IteratorResult<Finding, unknown>): number {
  return (value as Finding).record.t
}

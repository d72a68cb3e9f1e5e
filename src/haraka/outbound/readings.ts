import type { ClassFigure, EgressReadings } from '../../telemetry/delivery-metrics'
import type { Work } from './deliveries-options'

/** A source that warms up with a group of providers: recipients of today. */
export interface WarmupStanding {
  readonly source: string
  readonly group: string
  readonly quota: number
  readonly taken: number
}

export interface ReadingsSource {
  readonly work: () => Iterable<Work>
  /** Of all paths; zero where Haraka's own connections are used. */
  readonly sessions: () => { readonly connections: number; readonly parked: number }
  readonly warmups: () => Iterable<WarmupStanding>
  readonly clock?: () => number
}

/** What is on its way out, as the metrics want it: costs a look at each path, not at each message. */
export function readingsOf({ work, sessions, warmups, clock = Date.now }: ReadingsSource): EgressReadings {
  function* byClass(figure: (load: Work['classes'][number]) => number): Iterable<ClassFigure> {
    for (const { provider, classes } of work()) {
      for (const load of classes) yield { provider, mailClass: load.mailClass, value: figure(load) }
    }
  }
  return {
    egressWaiting: () => byClass(({ waiting }) => waiting),
    // What was let go before its time is not due yet.
    egressOldestMs: () => byClass(({ oldestDueAt }) => Math.max(0, clock() - oldestDueAt)),
    *egressUnderWay() {
      for (const { provider, underWay } of work()) yield { provider, value: underWay }
    },
    *warmupQuota() {
      for (const { source, group, quota } of warmups()) yield { source, provider: group, value: quota }
    },
    *warmupTaken() {
      for (const { source, group, taken } of warmups()) yield { source, provider: group, value: taken }
    },
    egressSessions() {
      const { connections, parked } = sessions()
      return new Map([
        ['busy', connections - parked],
        ['idle', parked],
      ])
    },
  }
}

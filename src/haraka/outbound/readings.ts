import type { ClassFigure, EgressReadings } from '../../telemetry/delivery-metrics'
import type { Work } from './deliveries-options'

export interface ReadingsSource {
  readonly work: () => Iterable<Work>
  /** Of all paths; zero where Haraka's own connections are used. */
  readonly sessions: () => { readonly connections: number; readonly parked: number }
  readonly clock?: () => number
}

/** What is on its way out, as the metrics want it: costs a look at each path, not at each message. */
export function readingsOf({ work, sessions, clock = Date.now }: ReadingsSource): EgressReadings {
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
    egressSessions() {
      const { connections, parked } = sessions()
      return new Map([
        ['busy', connections - parked],
        ['idle', parked],
      ])
    },
  }
}

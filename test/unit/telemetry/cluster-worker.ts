/** A cluster worker with Sluice's metrics, driven by its master: see cluster-metrics.test.ts. */
import { reportStatus, serveWorkerMetrics } from '../../../src/telemetry/cluster-metrics'
import { createMetrics } from '../../../src/telemetry/metrics'
import { AT, judged } from './fixtures'

const metrics = createMetrics({ version: '1', processMetrics: false })
serveWorkerMetrics(metrics.registry)

/** What the test tells a worker to do. */
export interface Order {
  readonly judge?: number
  readonly sessions?: number
  readonly bans?: number
  readonly loseStore?: boolean
  readonly ready?: boolean
  readonly end?: boolean
}

process.on('message', ({ judge = 0, sessions, bans, loseStore, ready, end }: Order) => {
  for (let count = 0; count < judge; count++) metrics.reader(judged())
  if (sessions !== undefined) metrics.watch({ sessionsOpen: () => sessions })
  if (bans !== undefined) metrics.watch({ bansInForce: () => bans })
  if (loseStore) metrics.reader({ kind: 'store', state: 'lost', at: AT, reason: 'test' })
  if (ready !== undefined) {
    reportStatus({ ready, degraded: loseStore === true, reasons: ready ? [] : ['the store is not open yet'] })
  }
  if (end) process.exit(0)
  if (judge > 0 || ready !== undefined) process.send?.({ done: true })
})
process.send?.({ done: true })

/**
 * What the workers of a Node cluster tell their master: figures for one scrape, and whether they are ready. Messages
 * carry a field `sluice`; whoever else listens on the channel ignores them, as this ignores theirs.
 */
import cluster, { type Worker } from 'node:cluster'
import { AggregatorRegistry, Registry } from 'prom-client'
import { type MetricJson, Reading } from './series'

/** How one serving process is. */
export interface ServingStatus {
  readonly ready: boolean
  /** It judges by its own share of the limits. */
  readonly degraded: boolean
  /** Why it is not ready or degraded, for people. */
  readonly reasons: readonly string[]
}

/** All serving processes of this host together. */
export interface ClusterStatus extends ServingStatus {
  readonly workers: number
  /** Workers that have said how they are; those that start have not yet. */
  readonly reported: number
}

type Message =
  | { readonly sluice: 'metrics?'; readonly scrape: number }
  | { readonly sluice: 'metrics'; readonly scrape: number; readonly metrics: readonly MetricJson[] }
  | { readonly sluice: 'status'; readonly status: ServingStatus }

/**
 * In a worker: answers the master's requests for figures until the function returned is called. Does nothing in a
 * process that is no cluster worker.
 */
export function serveWorkerMetrics(registry: Registry): () => void {
  if (!cluster.isWorker) return () => undefined
  const onMessage = (message: unknown) => {
    if (!isOurs(message) || message.sluice !== 'metrics?') return
    const { scrape } = message
    jsonOf(registry)
      .then((metrics) => tellMaster({ sluice: 'metrics', scrape, metrics }))
      // A worker that cannot count does not answer; the master goes on without it.
      .catch(() => undefined)
  }
  process.on('message', onMessage)
  return () => void process.removeListener('message', onMessage)
}

/** What this process has said last; without workers {@link collectStatus} reads it here. */
let ownStatus: ServingStatus | undefined

/** Says how this process is; to be called at start, and at each change. */
export function reportStatus(status: ServingStatus): void {
  ownStatus = status
  if (cluster.isWorker) tellMaster({ sluice: 'status', status })
}

/**
 * In the master: how the workers are. Ready when at least one is and none says it is not. Without workers: what this
 * process has reported itself.
 */
export function collectStatus(): ClusterStatus {
  const { statuses } = watchWorkers()
  const workers = liveWorkers()
  if (workers.length === 0 && ownStatus) return { ...ownStatus, workers: 0, reported: 0 }
  const reported = workers.flatMap((worker) => statuses.get(worker.id) ?? [])
  const starting = workers.length - reported.length
  const reasons = new Set(reported.flatMap(({ reasons }) => reasons))
  if (workers.length === 0) reasons.add('no worker runs')
  if (starting > 0) reasons.add(`${starting} of ${workers.length} workers have not started yet`)
  return {
    ready: reported.length > 0 && reported.every(({ ready }) => ready),
    degraded: reported.some(({ degraded }) => degraded),
    reasons: [...reasons],
    workers: workers.length,
    reported: reported.length,
  }
}

/**
 * In the master: Prometheus text of this process and all workers, each figure summed or otherwise joined as its metric
 * says. Counters never fall: of a worker that does not answer in time the last figures are taken again, and those of
 * workers that have ended stay in the sums. Outside a cluster: this process alone.
 */
export async function clusterMetrics(own: Registry, timeoutMs = 1000): Promise<string> {
  const watch = watchWorkers()
  const workers = liveWorkers()
  if (workers.length === 0 && watch.departed.length === 0) return own.metrics()
  const answered = await watch.scrape(workers, timeoutMs)
  const joined = AggregatorRegistry.aggregate([await jsonOf(own), watch.departed, ...watch.figures.values()])
  const gauge = (name: string, help: string, value: number) =>
    new Reading({ name, help, type: 'gauge', aggregator: 'sum' }, () => value).register(joined as Registry)
  gauge('sluice_workers', 'Workers that run', workers.length)
  gauge(
    'sluice_workers_silent',
    'Workers that did not answer this scrape; their last figures stand in',
    workers.length - answered,
  )
  return joined.metrics()
}

/**
 * In the master: begins to keep what workers report. To be called before the first is forked, since what they say
 * earlier is lost; later calls change nothing.
 */
export function watchWorkers(): WorkersWatch {
  return (watch ??= new WorkersWatch())
}

let watch: WorkersWatch | undefined

class WorkersWatch {
  readonly statuses = new Map<number, ServingStatus>()
  /** Last figures of each live worker. */
  readonly figures = new Map<number, readonly MetricJson[]>()
  /** Counters of all workers that have ended, as one. */
  departed: readonly MetricJson[] = []
  private scrapes = 0
  private readonly waiting = new Map<number, (worker: Worker) => void>()

  constructor() {
    cluster.on('message', (worker, message: unknown) => {
      if (isOurs(message)) this.hear(worker, message)
    })
    cluster.on('exit', (worker) => this.bury(worker))
  }

  /** Asks the workers for their figures and says how many answered in time. */
  scrape(workers: readonly Worker[], timeoutMs: number): Promise<number> {
    const scrape = this.scrapes++
    const silent = new Set(workers.map(({ id }) => id))
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer)
        this.waiting.delete(scrape)
        resolve(workers.length - silent.size)
      }
      const timer = setTimeout(finish, timeoutMs)
      this.waiting.set(scrape, ({ id }) => {
        if (silent.delete(id) && silent.size === 0) finish()
      })
      if (silent.size === 0) return finish()
      const question: Message = { sluice: 'metrics?', scrape }
      // A worker that goes away meanwhile is one that does not answer.
      for (const worker of workers) worker.send(question, () => undefined)
    })
  }

  private hear(worker: Worker, message: Message): void {
    if (worker.isDead()) return
    if (message.sluice === 'status') this.statuses.set(worker.id, message.status)
    if (message.sluice !== 'metrics') return
    this.figures.set(worker.id, message.metrics)
    this.waiting.get(message.scrape)?.(worker)
  }

  private bury({ id }: Worker): void {
    const figures = this.figures.get(id)
    this.statuses.delete(id)
    this.figures.delete(id)
    if (!figures) return
    const counters = figures.filter(({ type }) => type !== 'gauge')
    const joined = AggregatorRegistry.aggregate([this.departed, counters])
    // A joined registry holds its samples themselves, nothing is collected.
    this.departed = joined.getMetricsAsArray() as unknown as readonly MetricJson[]
  }
}

function liveWorkers(): Worker[] {
  return Object.values(cluster.workers ?? {})
    .filter((worker) => worker !== undefined)
    .filter((worker) => worker.isConnected())
}

function tellMaster(message: Message): void {
  // The master may be gone; then nobody asks.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
}

function isOurs(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && typeof (message as { sluice?: unknown }).sluice === 'string'
}

async function jsonOf(registry: Registry): Promise<readonly MetricJson[]> {
  return (await registry.getMetricsAsJSON()) as unknown as readonly MetricJson[]
}

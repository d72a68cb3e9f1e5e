import cluster from 'node:cluster'
import path from 'node:path'
import { type Policy, compilePolicy } from '../config/compile'
import { DEFAULTS } from '../config/defaults'
import { type LoadResult, formatProblem, loadPolicy } from '../config/load'
import { shippedProviders } from '../config/providers/read'
import { shippedResponses } from '../config/responses/read'
import { configSchema } from '../config/schema'
import { storeSpecOf } from '../config/store-spec'
import { type PolicyWatch, watchPolicy } from '../config/watch'
import { ApiDoor } from '../console/api'
import { readToken } from '../console/token'
import { UnsubscribeDoor } from '../console/unsubscribe'
import { type HttpServer, startHttp } from '../console/http-server'
import { BanDesk } from '../gates/jail/ban-desk'
import { protectionOf } from '../gates/jail/jail-policy'
import { modeText } from '../policy/mode'
import { ExhaustedCache } from '../store/exhausted-cache'
import { type StoreChange, openStore } from '../store/open-store'
import type { Store } from '../store/store'
import {
  clusterMetrics,
  collectStatus,
  reportStatus,
  serveWorkerMetrics,
  watchWorkers,
} from '../telemetry/cluster-metrics'
import { DecisionLog } from '../telemetry/decision-log'
import { DeliveryLog } from '../telemetry/delivery-log'
import { EventStream } from '../telemetry/events'
import { logLineReader } from '../telemetry/log-line'
import { type Metrics, createMetrics } from '../telemetry/metrics'
import { type AtDesk, banApi } from './ban-api'
import { WorkerLine, serveLinks } from './feedback/worker-line'
import { harakasLog } from './harakas-log'
import { Proxies } from './proxies'
import { type OpenedStore, Runtime } from './runtime'
import type { HarakaPlugin } from './types'
import { version } from './version'

/**
 * Sluice in one Haraka process: wires policy, store, stream and readers to Haraka's life, once, whichever plugin is
 * loaded first. In the master of a cluster it serves HTTP for all workers and opens no store.
 */
export class Host {
  readonly runtime: Runtime
  private readonly home: string
  private readonly stream = new EventStream()
  private readonly metrics: Metrics
  private readonly watch: PolicyWatch | undefined
  private exhausted: ExhaustedCache | undefined
  private decisions: DecisionLog | undefined
  private deliveries: DeliveryLog | undefined
  private http: Promise<HttpServer> | undefined
  private stopped: Promise<void> | undefined
  private serving = false
  /** What the store, HTTP, the decision log and the table of providers were made from; they stay as they are until the next start. */
  private readonly started: Policy['config']
  private ready = false
  private closed = false
  private sessionsClaimed = false
  private trouble: string | undefined

  constructor(plugin: HarakaPlugin) {
    this.home = process.env.HARAKA ?? process.cwd()
    this.metrics = createMetrics({ version: version() })
    this.stream.read(logLineReader(harakasLog(plugin)))
    this.stream.read(this.metrics.reader)
    const loaded = loadPolicy(this.home)
    const { policy, egress, responses } = 'policy' in loaded ? loaded : shipped()
    this.started = policy.config
    this.runtime = new Runtime({
      home: this.home,
      policy,
      rules: egress,
      responses,
      stream: this.stream,
      proxies: new Proxies(plugin.config),
      watch: (readings) => this.metrics.watch(readings),
      openStore: () => this.open(policy),
    })
    this.metrics.watch({
      loadLevel: () => this.runtime.load.level,
      loadPressures: () => new Map(Object.entries(this.runtime.load.pressures)),
      tarpitWaiting: () => this.runtime.tarpit.waiting,
      bansInForce: () => this.runtime.jail?.bans.size ?? 0,
      sessionsOpen: () => this.runtime.openSessions,
      exhaustedHits: () => this.exhausted?.hits ?? 0,
      storeBatches: () => this.exhausted?.trips ?? 0,
      readerFailures: () => this.stream.failures,
      dnsLookups: () => this.runtime.lookups.counts,
      dnsZones: () => this.runtime.lookups.zones,
      decisionsUnrecorded: () => this.decisions?.dropped ?? 0,
      deliveriesUnrecorded: () => this.deliveries?.dropped ?? 0,
      refusalsPassedOver: () => this.decisions?.passedOver ?? 0,
    })
    if ('problems' in loaded) this.tellRefused(loaded)
    // Haraka ends by process.exit, without a word to plugins, unless graceful_shutdown is set.
    process.once('exit', () => {
      if (this.closed) return
      this.runtime.closeNow()
      this.decisions?.closeNow()
      this.deliveries?.closeNow()
    })
    this.watch = watchPolicy(this.home, loaded, { onLoad: (result) => this.reload(result) })
  }

  /** Haraka's master, or its only process, is up; each plugin says so. */
  startPrimary(hasWorkers: boolean): void {
    if (hasWorkers) watchWorkers()
    else this.startServing()
    const { listen } = this.runtime.policy.config.http
    if (listen === false || this.http) return
    const colon = listen.lastIndexOf(':')
    this.http = startHttp({
      host: listen.slice(0, colon).replace(/^\[|\]$/g, ''),
      port: Number(listen.slice(colon + 1)),
      metrics: () => clusterMetrics(this.metrics.registry),
      health: collectStatus,
      api: this.openApi(hasWorkers),
      unsubscribe: this.openLinks(hasWorkers),
      onNotice: (message) => this.notice(message),
    })
  }

  /** Without a token that can be read there is no API; that is said, and the rest is served. */
  private openApi(hasWorkers: boolean): ApiDoor | undefined {
    try {
      const token = readToken(path.resolve(this.home, this.started.http.token_file), (message) => this.notice(message))
      const atDesk = hasWorkers ? this.atBorrowedDesk() : this.atOwnDesk
      const mode = () => this.runtime.policy.jail.mode
      return new ApiDoor(token, banApi({ atDesk, stream: this.stream, mode }))
    } catch (error) {
      this.notice(`http: /api is not served: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }

  /** Always served: links that are out there must not end with a setting. */
  private openLinks(hasWorkers: boolean): UnsubscribeDoor {
    const { desk } = this.runtime
    const line = hasWorkers ? new WorkerLine() : desk
    return new UnsubscribeDoor({
      knows: (token) => desk.knows(token),
      use: (token) => line.use(token),
    })
  }

  private readonly atOwnDesk: AtDesk = async (work) => {
    const opened = this.runtime.serve()
    await opened.ready
    return work(this.deskOn(opened.store))
  }

  /** The master of a cluster keeps no store open: beside it, a single worker would no longer be alone. */
  private atBorrowedDesk(): AtDesk {
    let turn: Promise<unknown> = Promise.resolve()
    return (work) => {
      const done = turn.then(() => this.withStore((store) => work(this.deskOn(store))))
      turn = done.catch(() => undefined)
      return done
    }
  }

  private async withStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const spec = storeSpecOf(this.started.store, this.home)
    if (spec.kind === 'memory') throw new Error('the store is memory, which workers do not share: write lmdb:PATH')
    const store = openStore(spec, { ...this.storeHooks(), role: 'operator' })
    try {
      await store.open()
      return await work(store)
    } finally {
      await store.close()
    }
  }

  private deskOn(store: Store): BanDesk {
    const { trusted, jail } = this.runtime.policy
    return new BanDesk(store, this.runtime.jail?.protection ?? protectionOf(trusted, jail.never))
  }

  /** True for the first that asks. */
  claimsSessions(): boolean {
    const isFirst = !this.sessionsClaimed
    this.sessionsClaimed = true
    return isFirst
  }

  /** A worker of a Haraka cluster is up; each plugin says so. */
  startWorker(): void {
    if (this.serving) return
    serveWorkerMetrics(this.metrics.registry)
    serveLinks((token) => this.runtime.desk.use(token))
    this.startServing()
  }

  /** Haraka ends when its sessions have: then what is counted and recorded is written down. Idempotent. */
  stop(): Promise<void> {
    this.stopped ??= this.closeAll()
    return this.stopped
  }

  private async closeAll(): Promise<void> {
    this.watch?.close()
    await (await this.http)?.close()
    await this.runtime.close()
    await this.decisions?.close()
    await this.deliveries?.close()
    this.closed = true
  }

  private startServing(): void {
    if (this.serving) return
    this.serving = true
    void this.runtime.serve().ready.then(() => {
      this.ready = true
      this.report()
    })
  }

  private open(policy: Policy): OpenedStore {
    this.openJournals(policy.config.decisions)
    return this.openCached(this.makeStore(policy))
  }

  private openJournals(decisions: Policy['config']['decisions']): void {
    const options = {
      folder: path.resolve(this.home, decisions.path),
      record: decisions.record,
      rotateBytes: decisions.rotate,
      keepMs: decisions.keep,
      mostBytes: decisions.most,
      writer: cluster.worker ? `w${cluster.worker.id}` : 'w0',
      onNotice: (message: string) => this.notice(message),
    }
    this.decisions = new DecisionLog(options)
    this.deliveries = new DeliveryLog(options)
    this.stream.read(this.decisions.reader)
    this.stream.read(this.deliveries.reader)
  }

  private openCached(store: Store): OpenedStore {
    const cached = new ExhaustedCache(store)
    this.exhausted = cached
    const opened: { store: Store; ready: Promise<void> } = { store: cached, ready: Promise.resolve() }
    opened.ready = cached.open().catch((error: unknown) => {
      // Mail is never refused because the store is ill: count in this process alone, and say so.
      const reason = `${String(error)}; counting in memory of this process until it is mended and Haraka started again`
      this.noteStore({ state: 'lost', at: Date.now(), reason })
      const memory = new ExhaustedCache(openStore({ kind: 'memory' }, this.storeHooks()))
      this.exhausted = memory
      opened.store = memory
    })
    return opened
  }

  private makeStore(policy: Policy): Store {
    return openStore(storeSpecOf(policy.config.store, this.home), this.storeHooks())
  }

  private storeHooks() {
    return {
      onChange: (change: StoreChange) => this.noteStore(change),
      onNotice: (message: string) => this.notice(message),
    }
  }

  private noteStore(change: StoreChange): void {
    this.stream.emit({ kind: 'store', ...change })
    this.trouble = change.state === 'lost' ? `store lost: ${change.reason}` : undefined
    this.report()
  }

  private report(): void {
    const { ready, trouble } = this
    reportStatus({ ready, degraded: trouble !== undefined, reasons: trouble === undefined ? [] : [trouble] })
  }

  private reload(result: LoadResult): void {
    if ('problems' in result) return this.tellRefused(result)
    this.runtime.adopt(result)
    this.exhausted?.clear()
    this.tellConfig(true, [])
    const { store, http, decisions, dns, reputation } = result.policy.config
    const fixed = Object.entries({ store, http, decisions, dns }).filter(
      ([name, value]) => JSON.stringify(value) !== JSON.stringify(this.started[name as 'store']),
    )
    const names = fixed.map(([name]) => name)
    // Read once: a database of providers has some 10 MB.
    if (reputation.asn_database !== this.started.reputation.asn_database) names.push('reputation.asn_database')
    for (const name of names) this.notice(`${name} was changed in the config: it takes effect when Haraka starts again`)
  }

  private tellRefused({ problems }: Extract<LoadResult, { problems: unknown }>): void {
    this.tellConfig(false, problems.map(formatProblem))
  }

  private tellConfig(accepted: boolean, problems: readonly string[]): void {
    const { rules, config } = this.runtime.policy
    const inForce = `mode ${modeText(config.mode)}, ${rules.length} limits`
    this.stream.emit({ kind: 'config', at: Date.now(), file: 'config/sluice.yaml', accepted, problems, inForce })
  }

  private notice(message: string): void {
    this.stream.emit({ kind: 'notice', at: Date.now(), message })
  }
}

/** What holds when the operator's files cannot be used. */
function shipped() {
  return { policy: shippedPolicy(), egress: shippedProviders(), responses: shippedResponses() }
}

/** Shipped rules, in shadow, in memory: they refuse nobody. */
function shippedPolicy(): Policy {
  const config = configSchema.parse({ ...DEFAULTS, mode: 'shadow', store: 'memory' })
  const compiled = compilePolicy(config, () => undefined)
  if ('policy' in compiled) return compiled.policy
  throw new Error(`the shipped defaults do not compile: ${compiled.problems.map(({ message }) => message).join('; ')}`)
}

let only: Host | undefined

/** The host of this process; made when the first plugin registers. */
export function host(plugin: HarakaPlugin): Host {
  only ??= new Host(plugin)
  return only
}

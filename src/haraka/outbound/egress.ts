import { PathBook } from '../../egress/path-book'
import { type SluicePlugin, sluicePlugin } from '../plugin'
import type { Runtime } from '../runtime'
import type { HarakaPlugin, Next } from '../types'
import { Deliveries } from './deliveries'
import { Endings } from './endings'
import { reuseSessions } from './install'
import type { SessionLimits, SessionPools } from './pool'
import { type Failure, type QueueItem, dueAt } from './queue-item'
import { Routes, type RunHooks } from './routes'
import type { Mx } from './types'

/** The same for all hosts. Modest, so that it suits those that count messages a session. */
const LIMITS: SessionLimits = { messages: 50, idleMs: 5000 }
/** Asked after all other plugins: what they put off or take away need not be held. */
const LAST = 100
/** Haraka's own default is 10,000, for which no process has the sockets. */
const MOST_UNDER_WAY = 1000
const LIFETIMES = { lifetimeMs: 86_400_000, bounceLifetimeMs: 4 * 3_600_000 }

/** What of Haraka's outbound the plugin works with. */
interface Outbound {
  readonly delivery_queue: { push(item: QueueItem): void }
  readonly HMailItem: new (filename: string, path: string) => QueueItem
  readonly net_utils: { readonly HarakaMx: new (written: unknown) => Mx }
}
interface OutboundConfig {
  readonly cfg: { temp_fail_intervals: number[]; readonly concurrency_max: number }
}
interface OutboundQueue {
  load_queue_files: (pid: unknown, files: string[], each: unknown) => Promise<unknown>
}

/** Plugin egress: messages wait for their path, go at its pace, and share sessions. */
export function egressPlugin(
  name: string,
): Pick<SluicePlugin, 'register' | 'shutdown' | 'hook_init_master' | 'hook_init_child'> {
  let pools: SessionPools | undefined
  let deliveries: Deliveries | undefined
  let endings: Endings | undefined
  const plugin = sluicePlugin(name, (by, _server, runtime) => {
    pools = reuseSessions(by, LIMITS)
    ;({ deliveries, endings } = openDeliveries(by, runtime))
  })
  return {
    ...plugin,
    register(this: HarakaPlugin) {
      plugin.register.call(this)
      loadInOrder(this)
      this.hold = (next: Next, item: QueueItem) => {
        if (!deliveries) return next()
        const held = deliveries
        void plugin
          .runtime(this)
          .serve()
          .ready.then(() => held.admit(item, () => next()))
      }
      this.put_off = (next: Next, item: QueueItem, failure: Failure) => {
        if (endings) endings.defer(next, item, failure)
        else next()
      }
      this.register_hook('send_email', 'hold', LAST)
      this.register_hook('deferred', 'put_off', LAST)
    },
    shutdown(this: HarakaPlugin) {
      deliveries?.close()
      pools?.close()
      plugin.shutdown.call(this)
    },
  }
}

function openDeliveries(by: HarakaPlugin, runtime: Runtime): { deliveries: Deliveries; endings: Endings } {
  const outbound = by.haraka_require('outbound') as Outbound
  const config = by.haraka_require('outbound/config') as OutboundConfig
  const { run_hooks: runHooks } = by.haraka_require('plugins') as { run_hooks: RunHooks }
  const { HarakaMx } = outbound.net_utils
  const onNotice = (message: string) => runtime.stream.emit({ kind: 'notice', at: Date.now(), message })
  const onFailure = (hook: string, error: unknown) => {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    runtime.reportFailure({ plugin: 'egress', hook, failure: 'error', message })
  }
  const enqueue = (items: readonly QueueItem[]) => items.forEach((item) => outbound.delivery_queue.push(item))
  const book = new PathBook(() => runtime.egress)
  const endings = new Endings({
    lifetimes: () => LIFETIMES,
    retryOf: (item) => deliveries.profileOf(item).retry,
    intervals: () => config.cfg.temp_fail_intervals,
    readAgain: ({ filename, path }, afterMs) => {
      // Haraka tells of a file that cannot be read by deferring it.
      setTimeout(() => {
        const item = new outbound.HMailItem(filename, path)
        item.once('ready', () => enqueue([item]))
      }, afterMs).unref()
    },
    onNotice,
    onFailure,
  })
  const deliveries: Deliveries = new Deliveries({
    book,
    routes: new Routes(
      runtime.lookups.resolver,
      runHooks,
      (written) => new HarakaMx(typeof written === 'object' ? { ...written } : written),
    ),
    endings,
    store: () => runtime.serve().store,
    mostUnderWay: () => Math.min(config.cfg.concurrency_max, MOST_UNDER_WAY),
    enqueue,
    onFailure,
    onNotice,
  })
  return { deliveries, endings }
}

/** A restart keeps the order. */
function loadInOrder(by: HarakaPlugin): void {
  const queue = by.haraka_require('outbound/queue') as OutboundQueue
  const load = queue.load_queue_files
  queue.load_queue_files = (pid, files, each) => {
    const due = new Map(files.map((file) => [file, dueAt(file)]))
    return load(
      pid,
      files.sort((a, b) => due.get(a)! - due.get(b)! || (a < b ? -1 : 1)),
      each,
    )
  }
}

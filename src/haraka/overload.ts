import path from 'node:path'
import { LoadMeter } from '../load/meter'
import { processSamples } from '../load/samples'
import { OVERLOAD_PLUGIN } from '../gates/overload/overload-gate'
import type { Runtime } from './runtime'
import type { HarakaPlugin, HarakaServer } from './types'

/** Haraka's outbound queue, as far as we use it. */
interface OutboundQueue {
  readonly queue_dir: string
  readonly delivery_queue: { length(): number }
}

/** Begins to measure the load of this process, and to keep its door. */
export function watchLoad(plugin: HarakaPlugin, server: HarakaServer, runtime: Runtime): void {
  const outbound = plugin.haraka_require('outbound/queue') as OutboundQueue
  const samples = processSamples({
    folders: [path.resolve(runtime.home, 'data'), runtime.home, outbound.queue_dir],
    // Those that wait for a retry cost nothing: one dead destination has thousands of them.
    queue: () => outbound.delivery_queue.length(),
    sessions: () => openSockets(server),
  })
  const meter = new LoadMeter({
    samples,
    thresholds: () => {
      const { loop, delay, cpu, memory, disk_free, queue, sessions } = runtime.policy.config.overload
      return { loop, delayMs: delay, cpu, memory, diskFreeBytes: disk_free, queue, sessions }
    },
    onStep: (level, before, pressures) => {
      const { mode } = runtime.policy.config.overload
      runtime.stream.emit({ kind: 'load', at: Date.now(), level, before, mode, pressures })
    },
  })
  runtime.load.begin(meter)
  runtime.door.keep(OVERLOAD_PLUGIN, server)
}

async function openSockets(server: HarakaServer): Promise<number> {
  const counts = (server.listeners ?? []).map(
    (listener) =>
      new Promise<number>((resolve) => listener.getConnections((error, count) => resolve(error ? 0 : count))),
  )
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

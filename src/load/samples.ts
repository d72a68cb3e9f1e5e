import { statfs } from 'node:fs/promises'
import os from 'node:os'
import { performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Samples } from './meter'

export interface ProcessSamplesOptions {
  /** Folders whose file systems must not fill up; those that do not exist are left out. */
  readonly folders: readonly string[]
  /** Messages waiting for a delivery to be free. */
  readonly queue: () => number
  readonly sessions: () => Promise<number>
}

/** The figures of this process. */
export function processSamples({ folders, queue, sessions }: ProcessSamplesOptions): Samples {
  // The bound of the control group where there is one, else all memory of the machine.
  const memoryBytes = Math.min(os.totalmem(), process.constrainedMemory() || Infinity)
  const processors = os.availableParallelism()
  let idle = performance.eventLoopUtilization()
  let cpu = { at: performance.now(), used: process.cpuUsage() }
  return {
    loop: () => {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, idle)
      idle = now
      return utilization
    },
    cpu: () => {
      const now = { at: performance.now(), used: process.cpuUsage() }
      const usedMs = (now.used.user - cpu.used.user + now.used.system - cpu.used.system) / 1000
      const share = usedMs / Math.max(1, now.at - cpu.at) / processors
      cpu = now
      return share
    },
    memory: () => {
      const { used_heap_size: used, heap_size_limit: most } = getHeapStatistics()
      return Math.max(process.memoryUsage.rss() / memoryBytes, used / most)
    },
    diskFreeBytes: async () => Math.min(...(await Promise.all(folders.map(freeBytes)))),
    queue,
    sessions,
  }
}

async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch {
    // Not made yet, or a file system that does not tell: that is no reason to turn anybody away.
    return Infinity
  }
}

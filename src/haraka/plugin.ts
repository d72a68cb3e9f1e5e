import { type HookBody, guard } from './guard'
import { type Host, host } from './host'
import type { Runtime } from './runtime'
import type { HarakaPlugin, HarakaServer, Hook } from './types'

/** What a plugin of the suite exports to Haraka besides its own hooks. */
export interface SluicePlugin {
  readonly register: (this: HarakaPlugin) => void
  readonly shutdown: (this: HarakaPlugin) => void
  readonly hook_init_master: Hook<HarakaServer>
  readonly hook_init_child: Hook<HarakaServer>
  /** What this process has of Sluice; from `register` on. */
  runtime(plugin: HarakaPlugin): Runtime
  /** Makes a hook: guarded, and with the runtime at hand. */
  hook(name: string, body: HookBody<Runtime>): Hook
}

/**
 * The frame of every plugin. `name` is the short name, fixed whatever path Haraka found the plugin under: gates, results
 * and log lines use it.
 */
export function sluicePlugin(name: string): SluicePlugin {
  return {
    register() {
      // The guard keeps a deadline of its own and lets the mail go on; Haraka's would refuse it, and costs a timer a hook.
      this.timeout = 0
      host(this).runtime.list(name)
    },
    shutdown() {
      void host(this).stop()
    },
    hook_init_master: initHook((of, server) => of.startPrimary(server.cluster !== undefined)),
    hook_init_child: initHook((of) => of.startWorker()),
    runtime: runtimeOf,
    hook: (hookName, body) => guard(name, hookName, runtimeOf, body),
  }
}

function runtimeOf(plugin: HarakaPlugin): Runtime {
  return host(plugin).runtime
}

/** Start-up never waits for us: what must be loud is told by the host itself. */
function initHook(start: (of: Host, server: HarakaServer) => void): Hook<HarakaServer> {
  return function init(this: HarakaPlugin, proceed, server) {
    start(host(this), server)
    proceed()
  }
}

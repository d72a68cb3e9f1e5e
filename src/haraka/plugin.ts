import { type HookBody, guard } from './guard'
import { type Host, host } from './host'
import type { Runtime } from './runtime'
import type { HarakaPlugin, HarakaServer, Hook } from './types'

export type Begin = (plugin: HarakaPlugin, server: HarakaServer, runtime: Runtime) => void

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
 * and log lines use it. `begin` runs once in each process that serves clients, when it listens.
 */
export function sluicePlugin(name: string, begin: Begin = () => undefined): SluicePlugin {
  return {
    register() {
      // The guard keeps a deadline of its own and lets the mail go on; Haraka's would refuse it, and costs a timer a hook.
      this.timeout = 0
      host(this).runtime.list(name)
      if (host(this).claimsSessions()) followSessions(this, name)
    },
    shutdown() {
      void host(this).stop()
    },
    hook_init_master: initHook((of, server, by) => {
      const hasWorkers = server.cluster !== undefined
      of.startPrimary(hasWorkers)
      if (!hasWorkers) begin(by, server, of.runtime)
    }),
    hook_init_child: initHook((of, server, by) => {
      of.startWorker()
      begin(by, server, of.runtime)
    }),
    runtime: runtimeOf,
    hook: (hookName, body) => guard(name, hookName, runtimeOf, body),
  }
}

function runtimeOf(plugin: HarakaPlugin): Runtime {
  return host(plugin).runtime
}

/**
 * Whichever plugin is listed first tells that sessions begin and end, for all. The names do not begin with hook_: Haraka
 * would take them for hooks of that name.
 */
function followSessions(plugin: HarakaPlugin, name: string): void {
  plugin.begin_session = guard(name, 'connect_init', runtimeOf, (runtime, connection) => {
    runtime.sessions.of(connection)
    return undefined
  })
  plugin.end_session = guard(name, 'disconnect', runtimeOf, (runtime, connection) => {
    runtime.end(connection)
    return undefined
  })
  plugin.register_hook('connect_init', 'begin_session')
  plugin.register_hook('disconnect', 'end_session')
}

/** Start-up never waits for us: what must be loud is told by the host itself. */
function initHook(start: (of: Host, server: HarakaServer, by: HarakaPlugin) => void): Hook<HarakaServer> {
  return function init(this: HarakaPlugin, proceed, server) {
    start(host(this), server, this)
    proceed()
  }
}

import { type SluicePlugin, sluicePlugin } from '../plugin'
import type { HarakaPlugin } from '../types'
import { type Guarding, openGuarding } from './guarding'

/** Plugin senders: heeds what is ordered for senders, and orders it where too much of their mail comes back. */
export function sendersPlugin(name: string): SluicePlugin {
  let guarding: Guarding | undefined
  const plugin = sluicePlugin(name, (by, _server, runtime) => {
    guarding = openGuarding(by, runtime)
  })
  return {
    ...plugin,
    register(this: HarakaPlugin) {
      plugin.register.call(this)
      plugin.runtime(this).openSteering()
    },
    shutdown(this: HarakaPlugin) {
      guarding?.close()
      plugin.shutdown.call(this)
    },
  }
}

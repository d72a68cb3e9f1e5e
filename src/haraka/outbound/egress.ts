import { type SluicePlugin, sluicePlugin } from '../plugin'
import type { HarakaPlugin, Hook, Next } from '../types'
import type { Failure, QueueItem } from './queue-item'
import { labelMessage } from './label'
import { loadInOrder } from './load'
import { type Egress, knowsOutbound, openEgress } from './wiring'

/** Asked after all other plugins: what they put off or take away need not be held, and what they answer holds. */
const LAST = 100

/** Plugin egress: messages wait for their path, go at its pace, and share sessions. */
export function egressPlugin(
  name: string,
): Pick<SluicePlugin, 'register' | 'shutdown' | 'hook_init_master' | 'hook_init_child'> & { hook_data_post: Hook } {
  let egress: Egress | undefined
  let isKnown = false
  const plugin = sluicePlugin(name, (by, _server, runtime) => {
    if (isKnown) egress = openEgress(by, runtime)
  })
  return {
    ...plugin,
    // Before anything is signed.
    hook_data_post: plugin.hook('data_post', labelMessage),
    register(this: HarakaPlugin) {
      plugin.register.call(this)
      isKnown = knowsOutbound(this)
      if (!isKnown) return
      loadInOrder(this)
      this.hold = (next: Next, item: QueueItem) => {
        if (!egress) return next()
        const { deliveries, onFailure } = egress
        const { ready } = plugin.runtime(this).serve()
        ready.then(() => deliveries.admit(item, () => next())).catch((error: unknown) => onFailure('admission', error))
      }
      this.put_off = (next: Next, item: QueueItem, failure: Failure) => {
        if (egress) egress.endings.defer(next, item, failure)
        else next()
      }
      this.send_back = (next: Next, item: QueueItem, error: Error) => {
        if (egress) egress.endings.sendBack(next, item, error)
        else next()
      }
      this.register_hook('send_email', 'hold', LAST)
      this.register_hook('deferred', 'put_off', LAST)
      this.register_hook('bounce', 'send_back', LAST)
    },
    shutdown(this: HarakaPlugin) {
      egress?.close()
      plugin.shutdown.call(this)
    },
  }
}

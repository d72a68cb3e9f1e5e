import type { HarakaPlugin } from '../types'
import { Facade } from './facade'
import { type SessionLimits, SessionPools } from './pool'
import { type Replaced, differences } from './shapes'
import { TIMEOUTS } from './timeouts'
import type { GotClient, HMail, Mx } from './types'

/**
 * Puts the session pool in the place of Haraka's client_pool. When Haraka's outbound is not as we know it, nothing is
 * touched, mail is delivered as Haraka does by itself, and the log says so: undefined.
 */
export function reuseSessions(plugin: HarakaPlugin, limits: SessionLimits): SessionPools | undefined {
  const replaced = load(plugin)
  const found = typeof replaced === 'string' ? [replaced] : differences(replaced)
  if (typeof replaced === 'string' || found.length > 0) {
    plugin.logwarn(`outbound sessions are not reused, each message gets a connection: ${found.join('; ')}`)
    return undefined
  }
  const pools = new SessionPools(replaced.tls, limits, TIMEOUTS)
  replace(replaced, pools, (message) => plugin.loginfo(message))
  plugin.loginfo(`outbound sessions are reused for up to ${limits.messages} messages`)
  return pools
}

function load(plugin: HarakaPlugin): Replaced | string {
  try {
    const { prototype } = plugin.haraka_require('outbound/hmail') as { prototype: Replaced['hmail'] }
    return {
      hmail: prototype,
      clientPool: plugin.haraka_require('outbound/client_pool') as Replaced['clientPool'],
      tls: plugin.haraka_require('tls_socket') as Replaced['tls'],
    }
  } catch (error) {
    return String(error)
  }
}

/** Does it, without looking whether the shapes are right. */
export function replace({ clientPool, hmail }: Replaced, pools: SessionPools, log: (message: string) => void): void {
  /** get_client is not told for whom it is: Haraka asks for this right before, and both in one turn. */
  let asking: { by: HMail; mx: Mx; forceTls: boolean } | undefined
  /** Hosts whose session was stale, and is not to be of use to the next attempt. */
  const stale = new WeakSet<Mx>()

  const getForceTls = hmail.get_force_tls
  hmail.get_force_tls = function (mx) {
    const forceTls = getForceTls.call(this, mx)
    asking = { by: this, mx, forceTls }
    return forceTls
  }
  clientPool.get_client = (mx: Mx, callback: GotClient) => {
    const of = asking?.mx === mx ? asking : undefined
    asking = undefined
    const retry =
      of &&
      (() => {
        log(`a session with ${mx.from_dns ?? mx.exchange ?? mx.path} had ended, trying again on a new one`)
        stale.add(mx)
        of.by.mxlist.unshift(mx)
        void of.by.try_deliver()
      })
    // Without knowing the demand for TLS no session is shared with one that has none.
    pools.take({ mx, forceTls: of?.forceTls ?? true, fresh: stale.delete(mx), retry, callback })
  }
  const releaseClient = clientPool.release_client
  clientPool.release_client = (socket, mx) => {
    if (socket instanceof Facade) socket.abandon()
    else releaseClient(socket, mx)
  }
}

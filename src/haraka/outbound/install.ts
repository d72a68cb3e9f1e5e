import type { HarakaPlugin, Logger } from '../types'
import type { SessionDemands, SessionPolicy } from './demands'
import { Facade } from './facade'
import { SessionPools } from './pool'
import type { RetryReason } from './request'
import { type Replaced, differences } from './shapes'
import type { GotClient, HMail, Mx } from './types'

/**
 * Puts the session pool in the place of Haraka's client_pool. When Haraka's outbound is not as we know it, nothing is
 * touched, mail is delivered as Haraka does by itself, and the log says so: undefined.
 */
export function reuseSessions(plugin: HarakaPlugin, policy: SessionPolicy): SessionPools | undefined {
  const replaced = load(plugin)
  const found = typeof replaced === 'string' ? [replaced] : differences(replaced)
  if (typeof replaced === 'string' || found.length > 0) {
    plugin.logwarn(`outbound sessions are not reused, each message gets a connection: ${found.join('; ')}`)
    return undefined
  }
  const pools = new SessionPools(replaced.tls, (path) => policy.changed(path))
  replace(replaced, pools, policy, plugin)
  plugin.loginfo('outbound sessions are reused')
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
function replace({ clientPool, hmail }: Replaced, pools: SessionPools, policy: SessionPolicy, log: Logger): void {
  /** get_client is not told for whom it is: Haraka asks for this right before, and both in one turn. */
  let asking: { by: HMail; mx: Mx; forceTls: boolean; demands: SessionDemands } | undefined
  /** Hosts that are tried once more, not on a session that was used before. */
  const again = new WeakSet<Mx>()

  const getForceTls = hmail.get_force_tls
  hmail.get_force_tls = function (mx) {
    const demands = policy.demandsOf(this, mx)
    // A socket of this machine needs none.
    const isDemanded = demands.tls.demand === 'required' && !mx.path
    const forceTls = getForceTls.call(this, mx) || isDemanded
    asking = { by: this, mx, forceTls, demands }
    return forceTls
  }
  const retry = (by: HMail, mx: Mx, reason: RetryReason, text: string) => {
    const host = mx.from_dns ?? mx.exchange ?? mx.path
    if (reason === 'stale') log.loginfo(`a session with ${host} had ended, trying again on a new one`)
    else log.logwarn(`${host} gets mail in the clear for an hour, its TLS is broken: ${text}`)
    again.add(mx)
    by.mxlist.unshift(mx)
    void by.try_deliver()
  }
  const getClient = clientPool.get_client
  clientPool.get_client = (mx: Mx, callback: GotClient) => {
    const of = asking
    asking = undefined
    if (of?.mx !== mx) return getClient(mx, callback)
    const { by, forceTls, demands } = of
    pools.take({
      mx,
      forceTls,
      demands,
      callback,
      fresh: again.delete(mx),
      attempt: policy.attemptOf(by),
      recipients: by.todo?.rcpt_to ?? [],
      sizeBytes: by.file_size - by.data_start,
      hasOthers: () => by.mxlist.length > 0,
      mayConnect: () => policy.mayConnect(by, mx),
      retry: (reason, text) => retry(by, mx, reason, text),
    })
  }
  const releaseClient = clientPool.release_client
  clientPool.release_client = (socket, mx) => {
    if (socket instanceof Facade) socket.abandon()
    else releaseClient(socket, mx)
  }
}

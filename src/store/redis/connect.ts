import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import { isReadOnly } from './redis-error'
import type { RedisTarget } from './redis-url'

export type RedisClient = Redis | Cluster

/** Longest pause between two attempts to connect, and longest that one attempt may take. */
const RECONNECT_MS = 1000
/** A connection that owes answers and stays silent for this long is given up, so that a black hole is noticed. */
const SILENT_MS = 1000

/**
 * Makes a client that is not connected yet. It fails calls at once while there is no connection, sends no call twice,
 * and reconnects for ever with a bounded pause. The caller must listen to its `error` event.
 */
export function makeClient(target: RedisTarget, clientName: string): RedisClient {
  const login = {
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.tls ? { tls: {} } : {}),
  }
  const common = {
    ...login,
    connectionName: clientName,
    disableClientInfo: true,
    connectTimeout: RECONNECT_MS,
    disconnectTimeout: 100,
    socketTimeout: SILENT_MS,
    keepAlive: 10_000,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: RECONNECT_MS,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    reconnectOnError: leaveReplica(),
  } satisfies RedisOptions
  if (target.mode === 'cluster') return new Cluster([...target.hosts], clusterOptions(common))
  const single: RedisOptions = { ...common, enableOfflineQueue: false, retryStrategy: pause, db: target.database }
  if (target.mode === 'sentinel') {
    return new Redis({
      ...single,
      sentinels: [...target.hosts],
      name: target.primary!,
      sentinelRetryStrategy: pause,
      enableTLSForSentinelMode: target.tls,
      // Sentinels that want a login of their own share it with the server, as one URL can tell only one.
      ...(target.password === undefined ? {} : { sentinelPassword: target.password }),
      failoverDetector: true,
    })
  }
  if (target.socketPath !== undefined) return new Redis({ ...single, path: target.socketPath })
  return new Redis({ ...single, ...target.hosts[0] })
}

/** Servers that together hold all keys: the primaries of a cluster, or the one server. */
export function primariesOf(client: RedisClient): Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client]
}

function clusterOptions(redisOptions: NonNullable<ClusterOptions['redisOptions']>): ClusterOptions {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: pause,
    slotsRefreshTimeout: RECONNECT_MS,
    retryDelayOnFailover: 50,
    maxRedirections: 4,
    redisOptions,
  }
}

/** Hangs up on a server that has become a replica, to look for the primary; once, however many calls it refuses. */
function leaveReplica(): (error: Error) => boolean {
  let leftAt = -Infinity
  return (error) => {
    const now = performance.now()
    if (!isReadOnly(error) || now - leftAt < RECONNECT_MS) return false
    leftAt = now
    return true
  }
}

function pause(attempts: number): number {
  return Math.min(50 * 2 ** Math.min(attempts, 10), RECONNECT_MS)
}

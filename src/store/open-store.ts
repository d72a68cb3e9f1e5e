import { MemoryStore } from './memory/memory-store'
import type { StoreChange } from './redis/failover-store'
import { parseRedisUrl } from './redis/redis-url'
import { type Clock, type Store, StoreError } from './store'

/** Which store, as the configuration and the command line name it. */
export type StoreSpec =
  | ({ readonly kind: 'memory'; readonly maxKeys?: number } & Bounds)
  | ({ readonly kind: 'lmdb'; readonly path: string; readonly maxKeys?: number } & Bounds)
  | ({ readonly kind: 'redis'; readonly url: string; readonly prefix?: string; readonly timeoutMs?: number } & Bounds)

interface Bounds {
  readonly maxRecords?: number
}

export type { StoreChange }

export interface StoreHooks {
  /** Called exactly once each time a shared store is lost or is back. Must not throw. */
  readonly onChange: (change: StoreChange) => void
  /** Called with what an operator must read. */
  readonly onNotice: (message: string) => void
  /** Ignored by Redis, which judges by its own clock. */
  readonly clock?: Clock
  /**
   * `server` (default) judges mail: it shares the quota while Redis is away. `operator` is a person at the command line:
   * it does not count as one of the processes that share, and an error is an error.
   */
  readonly role?: 'server' | 'operator'
}

/** Keys of the local share of a process whose Redis is away. */
const SHARE_MAX_KEYS = 200_000
/** A person can wait longer than a message. */
const OPERATOR_TIMEOUT_MS = 5000

/**
 * Makes the store of a spec; {@link Store.open} makes it ready. Only the chosen store's driver is loaded.
 * Throws {@link StoreError} STORE_UNUSABLE when the spec cannot be used.
 */
export function openStore(spec: StoreSpec, hooks: StoreHooks): Store {
  const clock = hooks.clock === undefined ? {} : { clock: hooks.clock }
  switch (spec.kind) {
    case 'memory':
      return new MemoryStore({ onNotice: hooks.onNotice, ...clock, ...boundsOf(spec) })
    case 'lmdb': {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only by those who use it
      const { LmdbStore } = require('./lmdb/lmdb-store') as typeof import('./lmdb/lmdb-store')
      const onLost = (reason: string) => hooks.onChange({ state: 'lost', at: Date.now(), reason })
      return new LmdbStore({ path: spec.path, onNotice: hooks.onNotice, onLost, ...clock, ...boundsOf(spec) })
    }
    case 'redis':
      return makeRedisStore(spec, hooks)
  }
}

function boundsOf({ maxKeys, maxRecords }: Exclude<StoreSpec, { kind: 'redis' }>) {
  return given({ maxKeys, maxRecords })
}

function makeRedisStore(spec: StoreSpec & { kind: 'redis' }, hooks: StoreHooks): Store {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only by those who use it
  const { RedisStore } = require('./redis/redis-store') as typeof import('./redis/redis-store')
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only by those who use it
  const { FailoverStore } = require('./redis/failover-store') as typeof import('./redis/failover-store')
  const base = {
    url: spec.url,
    onNotice: hooks.onNotice,
    ...given({ prefix: spec.prefix, maxRecords: spec.maxRecords }),
  }
  if (hooks.role === 'operator') return new RedisStore({ ...base, commandTimeoutMs: OPERATOR_TIMEOUT_MS })
  const shared = new RedisStore({ ...base, ...given({ commandTimeoutMs: spec.timeoutMs }) })
  const local = new MemoryStore({ maxKeys: SHARE_MAX_KEYS })
  return new FailoverStore({ shared, local, onChange: hooks.onChange, onNotice: hooks.onNotice })
}

/**
 * Reads `memory`, `lmdb:PATH`, or a Redis URL (`redis://`, `rediss://`, `unix:`, `redis+sentinel://`,
 * `redis+cluster://`). Throws {@link StoreError} STORE_UNUSABLE for anything else.
 */
export function parseStoreSpec(text: string): StoreSpec {
  if (text === 'memory') return { kind: 'memory' }
  if (text.startsWith('lmdb:')) {
    const path = text.slice('lmdb:'.length)
    if (path === '')
      throw new StoreError('STORE_UNUSABLE', 'the store "lmdb:" names no path. Write lmdb:/var/lib/sluice')
    return { kind: 'lmdb', path }
  }
  if (/^(?:unix|rediss?(?:\+sentinel|\+cluster)?):/.test(text)) {
    parseRedisUrl(text)
    return { kind: 'redis', url: text }
  }
  // What stands before the first colon is a scheme and shows; the rest may be a secret.
  const scheme = text.includes(':') ? `${text.slice(0, text.indexOf(':'))}:…` : text
  throw new StoreError('STORE_UNUSABLE', `"${scheme}" is no store. Write memory, lmdb:PATH or redis://host:6379/0`)
}

/** Leaves out what is undefined: an option that is not given differs from one given as undefined. */
function given<T extends Record<string, unknown>>(options: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }
}

import path from 'node:path'
import { type StoreSpec, parseStoreSpec } from '../store/open-store'
import type { Config } from './schema'

/** The store that a configuration names, its path made absolute from the Haraka directory. Throws {@link StoreError}. */
export function storeSpecOf(store: Config['store'], harakaDir: string): StoreSpec {
  const { at, max_keys, max_records, timeout, prefix }: Exclude<Config['store'], string> =
    typeof store === 'string' ? { at: store } : store
  const spec = parseStoreSpec(at)
  const maxKeys = max_keys === undefined ? {} : { maxKeys: max_keys }
  const maxRecords = max_records === undefined ? {} : { maxRecords: max_records }
  switch (spec.kind) {
    case 'memory':
      return { ...spec, ...maxKeys, ...maxRecords }
    case 'lmdb':
      return { ...spec, ...maxKeys, ...maxRecords, path: path.resolve(harakaDir, spec.path) }
    case 'redis':
      return {
        ...spec,
        ...maxRecords,
        ...(timeout === undefined ? {} : { timeoutMs: timeout }),
        ...(prefix === undefined ? {} : { prefix }),
      }
  }
}

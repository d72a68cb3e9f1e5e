import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Policy } from '../config/compile'
import { type LoadedPolicy, formatProblem, loadPolicy } from '../config/load'
import { storeSpecOf } from '../config/store-spec'
import { openStore, type StoreSpec } from '../store/open-store'
import type { Store } from '../store/store'
import { CliError, say } from './terminal'

/** The policy of a Haraka directory. Throws a {@link CliError} that holds every mistake of the configuration. */
export function readPolicy(dir: string): Policy {
  return readConfig(dir).policy
}

/** All of its configuration; throws as {@link readPolicy} does. */
export function readConfig(dir: string): LoadedPolicy {
  if (!existsSync(join(dir, 'config')))
    throw new CliError(`${resolve(dir)} is no Haraka directory: it has no config folder (make one: sluice init DIR)`)
  const loaded = loadPolicy(dir)
  if ('policy' in loaded) return loaded
  throw new CliError(['the configuration cannot be used:', ...loaded.problems.map(formatProblem)].join('\n  '))
}

/** Why there is no store to look into from outside the server, or undefined when there is. */
export function whyNoStore(spec: StoreSpec): string | undefined {
  if (spec.kind === 'memory') return 'the store is memory: it lives inside the server and nobody else can look into it'
  if (spec.kind === 'lmdb' && !existsSync(spec.path))
    return `no store yet at ${spec.path}: the server makes it at start`
  return undefined
}

/**
 * Opens the store of a Haraka directory beside the servers that use it, and closes it whatever happens. Rejects with a
 * {@link CliError} or `StoreError`.
 */
export async function withStore(dir: string, use: (store: Store, policy: Policy) => Promise<void>): Promise<void> {
  const policy = readPolicy(dir)
  const spec = storeSpecOf(policy.config.store, dir)
  const missing = whyNoStore(spec)
  if (missing !== undefined) throw new CliError(missing)
  const store = openStore(spec, { role: 'operator', onChange: () => undefined, onNotice: say })
  try {
    await store.open()
    await use(store, policy)
  } finally {
    await store.close()
  }
}

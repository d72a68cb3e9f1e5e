import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A Lua script and the digest under which a server that has seen it runs it. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

export type ScriptName =
  'judge-1' | 'release-1' | 'renew-1' | 'charge-1' | 'beat-1' | 'board-1' | 'records-get-1' | 'records-change-1'

/** Scripts too long to be read in one sitting lie in parts, which are one script in this order. */
const PARTS: Partial<Record<ScriptName, readonly string[]>> = {
  'judge-1': ['head', 'windows', 'rates', 'leases', 'triplets', 'merits', 'distinct', 'batches'].map(
    (part) => `judge-1/${part}`,
  ),
}

/** Reads a script from `scripts/`, which lies beside this module. The version in its name lets releases share a Redis. */
export function loadScript(name: ScriptName): Script {
  const files = PARTS[name] ?? [name]
  const lua = files.map((file) => readFileSync(join(__dirname, 'scripts', `${file}.lua`), 'utf8')).join('')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

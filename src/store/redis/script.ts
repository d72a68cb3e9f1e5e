import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A Lua script and the digest under which a server that has seen it runs it. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

export type ScriptName = 'judge-1' | 'release-1' | 'renew-1' | 'charge-1' | 'beat-1' | 'board-1'

/** Reads a script from `scripts/`, which lies beside this module. The version in its name lets releases share a Redis. */
export function loadScript(name: ScriptName): Script {
  const lua = readFileSync(join(__dirname, 'scripts', `${name}.lua`), 'utf8')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readManifest } from '../package-root'
import { CliError } from '../terminal'
import type { Planned } from './write-files'

/** The Haraka that the suite is tested with, and what follows. */
const HARAKA_RANGE = '^3.3.4'
/** Haraka's own range of libmime names exact versions of two packages that npm registries do not always serve. */
const LIBMIME = '5.4.3'

/**
 * Makes `DIR/package.json` such that `npm install` there installs a Haraka, or adds to an operator's own what is missing
 * for that. `dryRun` writes nothing.
 */
export function ensureManifest(dir: string, dryRun = false): Omit<Planned, 'content' | 'mode'> {
  const file = join(dir, 'package.json')
  const old = readManifest(dir)
  if (!old && existsSync(file)) throw new CliError(`${file} is no JSON: mend it first`)
  if (old?.dependencies?.haraka !== undefined && old.overrides?.libmime !== undefined) return { file, action: 'keep' }
  const manifest = {
    ...(old ?? { private: true }),
    dependencies: { haraka: HARAKA_RANGE, ...old?.dependencies },
    overrides: { libmime: LIBMIME, ...old?.overrides },
  }
  if (!dryRun) {
    mkdirSync(dir, { recursive: true })
    writeFileSync(file, JSON.stringify(manifest, undefined, 2) + '\n')
  }
  return { file, action: old ? 'add haraka to' : 'write' }
}

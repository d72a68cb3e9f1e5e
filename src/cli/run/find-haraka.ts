import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { packageRoot, readManifest } from '../package-root'

/** An installed Haraka. */
export interface HarakaPackage {
  readonly path: string
  readonly version: string
}

/**
 * The Haraka that a directory is run with: its own, else the one of the current folder, else the one installed beside
 * this package, else npm's global one. Each place is looked up as Node does, in the folders above too.
 */
export function findHaraka(dir: string, cwd = process.cwd()): HarakaPackage | undefined {
  for (const start of [dir, cwd, packageRoot()]) {
    for (const modules of modulesAbove(resolve(start))) {
      const found = harakaAt(join(modules, 'haraka'))
      if (found) return found
    }
  }
  return harakaAt(join(dirname(process.execPath), '..', 'lib', 'node_modules', 'haraka'))
}

function modulesAbove(folder: string): string[] {
  const parent = dirname(folder)
  const here = join(folder, 'node_modules')
  return parent === folder ? [here] : [here, ...modulesAbove(parent)]
}

function harakaAt(path: string): HarakaPackage | undefined {
  // `haraka.js` tells Haraka itself from another package that took the name.
  if (!existsSync(join(path, 'haraka.js'))) return undefined
  // Haraka looks for plugins beside itself, so the place that npm made is the one that counts, links resolved.
  return { path: realpathSync(path), version: readManifest(path)?.version ?? 'unknown' }
}

/** Where Haraka finds a plugin, in its own order (`_get_plugin_path` in plugins.js); undefined when nowhere. */
export function resolvePlugin(dir: string, haraka: string, name: string): string | undefined {
  const places = [
    ...searchPaths(dir, name),
    join(dir, 'plugins', name, 'package.json'),
    join(dir, 'node_modules', name, 'package.json'),
    ...searchPaths(haraka, name),
  ]
  return places.find((place) => existsSync(place))
}

function searchPaths(prefix: string, name: string): string[] {
  return [
    join(prefix, 'plugins', `${name}.js`),
    join(prefix, 'node_modules', `haraka-plugin-${name}`, 'package.json'),
    join(prefix, '..', `haraka-plugin-${name}`, 'package.json'),
  ]
}

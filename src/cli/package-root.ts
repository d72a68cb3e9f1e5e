import { readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The name that npm, and so Haraka, knows this package by. */
export const PACKAGE_NAME = 'haraka-plugin-sluice'

let known: string | undefined

/** The folder of this package, links resolved: the same from the sources, from dist, and when installed. */
export function packageRoot(): string {
  known ??= findRoot(realpathSync(__dirname))
  return known
}

export function packageVersion(): string {
  return readManifest(packageRoot())?.version ?? 'unknown'
}

/** What `package.json` says of a package; undefined when there is none to read. */
export interface Manifest {
  readonly name?: string
  readonly version?: string
  readonly main?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly overrides?: Readonly<Record<string, unknown>>
}

export function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  } catch {
    return undefined
  }
}

function findRoot(folder: string): string {
  if (readManifest(folder)?.name === PACKAGE_NAME) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error(`no package.json of ${PACKAGE_NAME} above ${__dirname}`)
  return findRoot(parent)
}

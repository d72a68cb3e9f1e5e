import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ensureManifest } from '../init/manifest'
import { PACKAGE_NAME, packageRoot, packageVersion, readManifest } from '../package-root'
import { CliError, say } from '../terminal'
import { findHaraka, type HarakaPackage, resolvePlugin } from './find-haraka'

/** Any plugin of ours: where it resolves, the others do. */
const PROBE = 'sluice/plugins/connections'

/** Finds a Haraka for `dir`, or installs one there when `mayInstall`. Throws a {@link CliError} that says what to type. */
export function provideHaraka(dir: string, mayInstall: boolean): HarakaPackage {
  const found = findHaraka(dir)
  if (found) return found
  if (!mayInstall) throw new CliError(`no Haraka found: type "npm install" in ${dir}, or leave --no-install away`)
  ensureManifest(dir)
  say(`No Haraka found: installing one into ${dir} (npm install)`)
  // npm's own output is talk; stdout is for Haraka's log.
  const { status } = spawnSync('npm', ['install', '--omit=dev', '--no-audit', '--no-fund'], {
    cwd: dir,
    stdio: ['ignore', 2, 2],
  })
  const installed = status === 0 ? findHaraka(dir) : undefined
  if (!installed) throw new CliError(`npm could not install Haraka into ${dir}, see above`)
  return installed
}

/**
 * Makes sure that Haraka finds this very copy of the suite, by a link in `DIR/node_modules` when it would not. A copy
 * that the operator installed in DIR is left alone, and said when it is another version.
 */
export function linkSuite(dir: string, haraka: HarakaPackage): void {
  const own = join(dir, 'node_modules', PACKAGE_NAME)
  if (existsSync(own)) {
    const version = readManifest(own)?.version
    if (version !== packageVersion())
      say(`Note: ${own} is version ${version} and is what runs; this command is ${packageVersion()}`)
    return
  }
  const resolved = resolvePlugin(dir, haraka.path, PROBE)
  if (resolved !== undefined && join(realpathSync(dirname(resolved)), '..', '..') === packageRoot()) return
  try {
    mkdirSync(dirname(own), { recursive: true })
    // existsSync above said no: what is here can only be a link to nowhere.
    if (lstatSync(own, { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(own)
    symlinkSync(packageRoot(), own, 'dir')
  } catch (error) {
    throw new CliError(
      `Haraka would not find the plugins, and ${own} cannot be made: ${(error as Error).message}; ` +
        `type "npm install ${packageRoot()}" in ${dir}`,
    )
  }
}

import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type Ini, readIni } from '../haraka-directory'
import { PACKAGE_NAME, packageRoot, packageVersion, readManifest } from '../package-root'
import { resolvePlugin } from '../run/find-haraka'
import { type Finding, fail, ok, type Patient, warn } from './finding'
import { shippedPlugins } from './plugin-list'

const PREFIX = 'sluice/plugins/'

/** Stock plugins that do what one of ours does; Haraka also runs them under the older names. */
const SAME_WORK: Readonly<Record<string, string>> = {
  limit: 'connections and messages',
  rate_limit: 'connections and messages',
  max_unrecognized_commands: 'connections',
  'rcpt_to.max_count': 'connections',
  tarpit: 'connections',
  greylist: 'greylist',
  'dns-list': 'dnsbl',
  dnsbl: 'dnsbl',
  dnswl: 'dnsbl',
}

/** What Haraka would load under our names, and who else gets between us and the client. */
export function examineCollisions(patient: Patient): Finding[] {
  const { haraka } = patient
  const ours = patient.files.plugins().filter((name) => name.startsWith(PREFIX))
  const found = haraka ? ours.flatMap((name) => whatLoads(patient.dir, haraka.path, name)) : []
  const findings = [...found, ...bareNames(patient), ...karma(patient, ours)]
  return findings.length > 0 ? findings : [ok('names', 'no other plugin gets in the way')]
}

function whatLoads(dir: string, haraka: string, name: string): Finding[] {
  if (!shippedPlugins().includes(name.slice(PREFIX.length))) return []
  const place = resolvePlugin(dir, haraka, name)
  if (place === undefined) {
    const mend = `type: npm install ${PACKAGE_NAME}, in ${dir}; "sluice run" links this copy`
    return [warn('names', `Haraka finds no ${name}`, mend)]
  }
  const home = join(dirname(realpathSync(place)), '..', '..')
  const owner = readManifest(home)
  if (owner?.name !== PACKAGE_NAME)
    return [fail('names', `${name} would load ${relative(dir, place)}, which is not ours`, `rename ${place}`)]
  const main = readManifest(dirname(place))?.main ?? ''
  if (!existsSync(join(dirname(realpathSync(place)), main)))
    return [fail('names', `${name} is not built`, `type: npm run build, in ${home}`)]
  if (home === packageRoot() || owner.version === packageVersion()) return []
  const what = `${name} would load version ${owner.version}; this command is ${packageVersion()}`
  return [warn('names', what, `type: npm install ${PACKAGE_NAME}@${packageVersion()}, in ${dir}`)]
}

/** A bare name of ours is no file of the operator's: somebody left the prefix away. */
function bareNames({ dir, haraka, files }: Patient): Finding[] {
  const listed = files.plugins()
  const usesSluice = listed.some((name) => name.startsWith(PREFIX))
  return listed.flatMap((name): Finding[] => {
    const same = SAME_WORK[name]
    if (same !== undefined && usesSluice) {
      const what = `the stock plugin "${name}" does the work of our ${same} a second time, with limits of its own`
      return [warn('names', what, `remove ${name} from config/plugins`)]
    }
    if (!shippedPlugins().includes(name)) return []
    if (haraka && resolvePlugin(dir, haraka.path, name) !== undefined) {
      const what = `"${name}" loads another plugin of that name, not Sluice's`
      return [warn('names', what, `write ${PREFIX}${name} if you mean Sluice's`)]
    }
    return [fail('names', `Haraka finds no "${name}" and will not start`, `write ${PREFIX}${name}`)]
  })
}

/** karma turns the refusals of every plugin it does not know into acceptance. */
function karma({ files, dir, haraka }: Patient, ours: readonly string[]): Finding[] {
  if (!files.plugins().includes('karma')) return []
  const own = valueOfKarma(files.ini('karma.ini'))
  const listed = own ?? valueOfKarma(shippedKarma(dir, haraka?.path))
  const known = (listed ?? '').split(/[\s,;]+/)
  const missing = ours.filter((name) => !known.includes(name))
  if (missing.length === 0) return []
  const what = 'karma would turn the refusals of Sluice into acceptance'
  return [fail('karma', what, `add to plugins= under [deny_excludes] in config/karma.ini: ${missing.join(', ')}`)]
}

function valueOfKarma(ini: Ini | undefined): string | undefined {
  return ini?.get('deny_excludes')?.get('plugins')?.at(-1)
}

function shippedKarma(dir: string, haraka: string | undefined): Ini | undefined {
  const place = haraka === undefined ? undefined : resolvePlugin(dir, haraka, 'karma')
  const file = place && join(dirname(place), 'config', 'karma.ini')
  return file !== undefined && existsSync(file) ? readIni(readFileSync(file, 'utf8')) : undefined
}

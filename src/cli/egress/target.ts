import type { Policy } from '../../config/compile'
import type { LoadedPolicy } from '../../config/load'
import { isAskable } from '../../dns/question'
import { pathName, plainName } from '../../egress/providers'
import { DEFAULT_SOURCE, type EgressRules, resolvePath } from '../../egress/rules'
import { type EgressPolicy, poolsInUse } from '../../egress/sources'
import { CliError } from '../terminal'
import { askHosts, readDomain } from './destination'

export const TARGET_HELP =
  'a provider, a domain, a site (mx1.example.net+mx2.example.net), each also as source/…, or a path'

/** What a path is made of: `egress|default|google`, `egress|default|*`. */
const PATH = /^egress(\|[^|*\s]+)*\|([^|*\s]+|\*)$/

/**
 * The path, or pattern, that a person means by `google`, `pool1/google`, `pool1/*`, a domain, a site, or the path itself. Asks DNS for
 * a domain. Rejects with a {@link CliError}.
 */
export async function readTarget(text: string, { egress, policy }: LoadedPolicy): Promise<string> {
  if (text.startsWith('egress|')) return checkPath(text, egress, policy)
  const slash = text.indexOf('/')
  const source = slash < 0 ? DEFAULT_SOURCE : text.slice(0, slash)
  const destination = text.slice(slash + 1)
  if (source === '' || destination === '') throw new CliError(`"${text}" is no path: write ${TARGET_HELP}`, 2)
  checkSource(source, policy)
  if (slash < 0 && destination !== '*') checkDefault(destination, policy)
  if (destination === '*') return slash < 0 ? 'egress|*' : `${pathName(source, '')}*`
  if (egress.providers.has(destination)) return pathName(source, destination)
  if (destination.includes('+')) return resolvePath(egress, { domain: '', mx: readSite(destination), source }).path
  if (!destination.includes('.')) throw new CliError(unknownProvider(destination, egress), 2)
  const domain = readDomain(destination)
  return resolvePath(egress, { domain, mx: await askHosts(domain, policy), source }).path
}

function checkPath(path: string, rules: EgressRules, policy: Policy): string {
  if (!PATH.test(path)) throw new CliError(`"${path}" is no path: write egress|SOURCE|PROVIDER, or egress|SOURCE|*`, 2)
  const [, source = '*', destination] = path.split('|')
  const { sources } = policy.egress
  // As it is written in a path.
  const named = [...sources.keys()].find((name) => pathName(name, '') === `egress|${source}|`)
  if (source !== '*') checkSource(named ?? source, policy)
  // A site has dots, and one that is long goes by its digest.
  const isName = destination !== undefined && !/[.#*]/.test(destination)
  if (isName && !rules.providers.has(destination)) throw new CliError(unknownProvider(destination, rules), 2)
  return path
}

/** What is ordered for a source that nothing is sent from would never be heeded, and nobody would know. Throws a {@link CliError}. */
export function checkSource(source: string, { egress: { sources } }: Policy): void {
  if (sources.has(source)) return
  const known = [...sources.keys()].sort().join(', ')
  throw new CliError(`no source is called ${source}: egress.sources in config/sluice.yaml has ${known}`, 2)
}

/**
 * Sources besides that of `path` that mail leaves from; their paths to the same destination are paths of their own. None for a
 * pattern over all of them.
 */
export function otherSources(path: string, { egress }: Policy): string[] {
  if (path === 'egress|*') return []
  return sourcesInUse(egress).filter((name) => !path.startsWith(pathName(name, '')))
}

function sourcesInUse(egress: EgressPolicy): string[] {
  const names = poolsInUse(egress).flatMap(({ members }) => members.map(({ source }) => source.name))
  return [...new Set(names)].sort()
}

/** Who names no source means all mail; where none leaves from `default`, what is ordered for it would change nothing. */
function checkDefault(destination: string, { egress }: Policy): void {
  const used = sourcesInUse(egress)
  if (used.includes(DEFAULT_SOURCE)) return
  const each = used.map((name) => `${name}/${destination}`).join(' or ')
  throw new CliError(`no mail leaves from the source ${DEFAULT_SOURCE}: write ${each}`, 2)
}

function readSite(text: string): string[] {
  const hosts = text.split('+').map(plainName)
  const wrong = hosts.find((host) => !isAskable(host))
  if (wrong !== undefined) throw new CliError(`"${text}" is no site: "${wrong}" is no name of a host`, 2)
  return hosts
}

function unknownProvider(name: string, { providers }: EgressRules): string {
  return `no provider is called ${name}: write ${[...providers.keys()].sort().join(', ')}, a domain, or a site`
}

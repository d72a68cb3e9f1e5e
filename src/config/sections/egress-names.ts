/** What is wrong with `egress` although its shape is right: names of nobody, and addresses that two sources have. */
import { DEFAULT_SOURCE } from '../../egress/rules'
import { MOST_EXPLAINED } from '../issues'
import { didYouMean } from '../problem'
import { type EgressSection, weightsOf } from './egress'

/** By key path in the whole file. */
export interface EgressProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

export function problemsOfEgress(section: EgressSection): EgressProblem[] {
  const problems = [
    ...sharedAddresses(section),
    ...sharedNames(section),
    ...strangeMembers(section),
    ...strangePools(section),
    ...keptTwice('tenants', section.tenants),
    ...keptTwice('accounts', section.accounts),
    ...empty('sources', section.sources, 'give bind, bind6 or helo'),
    ...empty('tenants', section.tenants, 'give pool or class'),
    ...empty('accounts', section.accounts, 'give pool or class'),
  ]
  // Who has slipped in the only name would be told twice.
  const all = problems.length > 0 ? problems : unused(section)
  return all.map(({ path, message }) => ({ path: ['egress', ...path], message }))
}

function sharedAddresses({ sources }: EgressSection): EgressProblem[] {
  const owners = new Map<string, string>()
  return Object.entries(sources).flatMap(([name, said]) =>
    (['bind', 'bind6'] as const).flatMap((key): EgressProblem[] => {
      const address = said[key]
      if (address === undefined) return []
      const owner = owners.get(address)
      owners.set(address, owner ?? name)
      if (owner === undefined) return []
      const message = `${address} is the address of source ${owner} too: others see one sender, so make it one source`
      return [{ path: ['sources', name, key], message }]
    }),
  )
}

function sharedNames({ sources, pools }: EgressSection): EgressProblem[] {
  return Object.keys(pools)
    .filter((name) => name === DEFAULT_SOURCE || Object.hasOwn(sources, name))
    .map((name) => ({ path: ['pools', name], message: `there is a source called ${name} too: give one another name` }))
}

function strangeMembers({ sources, pools }: EgressSection): EgressProblem[] {
  const known = new Set([...Object.keys(sources), DEFAULT_SOURCE])
  return Object.entries(pools).flatMap(([pool, { sources: said }]) => {
    const seen = new Set<string>()
    return weightsOf(said).flatMap(([name], index): EgressProblem[] => {
      const path = ['pools', pool, 'sources', Array.isArray(said) ? index : name]
      if (seen.has(name))
        return [{ path, message: `${name} stands here twice: for more of the mail write {${name}: 2}` }]
      seen.add(name)
      return known.has(name) ? [] : [{ path, message: unknown('source', name, known) }]
    })
  })
}

/** Every place that names a pool, with the name. */
function referencesIn(section: EgressSection): (readonly [path: readonly string[], name: string])[] {
  const within = (['classes', 'tenants', 'accounts'] as const).flatMap((key) =>
    Object.entries(section[key]).map(([who, said]) => [[key, who, 'pool'], said?.pool] as const),
  )
  return [[['pool'], section.pool] as const, ...within].flatMap(([path, name]) =>
    name === undefined ? [] : [[path, name] as const],
  )
}

function strangePools(section: EgressSection): EgressProblem[] {
  const known = new Set([...Object.keys(section.pools), ...Object.keys(section.sources), DEFAULT_SOURCE])
  return referencesIn(section)
    .filter(([, name]) => !known.has(name))
    .map(([path, name], index) => ({
      path,
      // Nobody reads further, and to look for what was meant takes long.
      message: index < MOST_EXPLAINED ? unknown('pool or source', name, known) : `there is no ${JSON.stringify(name)}`,
    }))
}

function unknown(what: string, name: string, known: ReadonlySet<string>): string {
  const meant = didYouMean(name, [...known])
  const some = [...known].slice(0, 10).join(', ')
  const mend = meant === undefined ? `there is ${some}${known.size > 10 ? ', …' : ''}` : `did you mean "${meant}"?`
  return `there is no ${what} called ${JSON.stringify(name)}: ${mend}`
}

function keptTwice(section: 'tenants' | 'accounts', entries: object): EgressProblem[] {
  const first = new Map<string, string>()
  return Object.keys(entries).flatMap((key): EgressProblem[] => {
    const same = first.get(key.toLowerCase())
    first.set(key.toLowerCase(), same ?? key)
    return same === undefined ? [] : [{ path: [section, key], message: `is the same as ${same}: keep one` }]
  })
}

function empty(section: string, entries: Readonly<Record<string, object>>, mend: string): EgressProblem[] {
  return Object.entries(entries)
    .filter(([, said]) => Object.values(said).every((value) => value === undefined))
    .map(([key]) => ({ path: [section, key], message: `says nothing: ${mend}` }))
}

/** A source or two may be waiting for a tenant. Where no mail at all goes by what is written, it was forgotten. */
function unused(section: EgressSection): EgressProblem[] {
  const [one] = Object.keys(section.sources).filter((name) => name !== DEFAULT_SOURCE)
  if (one === undefined || referencesIn(section).some(([, name]) => name !== DEFAULT_SOURCE)) return []
  const pools = Object.keys(section.pools)
  const message = `mail leaves by none of these: name one in egress.pool, such as pool: ${pools[0] ?? one}`
  return [{ path: pools.length > 0 ? ['pools'] : ['sources'], message }]
}

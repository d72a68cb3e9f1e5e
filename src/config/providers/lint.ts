/** What is wrong with a file of providers although its shape is right: rules that can never have an effect. */
import { NEEDED_FIGURES } from '../../egress/profile'
import type { EgressRules } from '../../egress/rules'
import { readHost } from '../names'
import { didYouMean, type Mistake } from '../problem'
import type { Read } from '../units'
import { type WrittenFigures, saidAndUnset } from './figures'
import type { ProvidersFile } from './layers'
import { type WrittenProvider, readSite } from './schema'

/** `rules` are those of this file over `under`, what it stands over. */
export function mistakesIn({ written }: ProvidersFile, rules: EgressRules, under: EgressRules | undefined): Mistake[] {
  const providers = Object.entries(written.providers ?? {})
  const matching = providers.filter((entry): entry is [string, WrittenProvider] => entry[1] !== false)
  const mistakes = [
    ...incompleteDefault(rules),
    ...providers.flatMap(([name, one]) => deadProvider(name, one, under)),
    ...shadowed(matching),
    ...strangeKeys('sites', written.sites, readSite),
    ...strangeKeys('domains', written.domains, readHost),
    ...layersIn(written).flatMap(([path, figures]) => contradictions(path, figures, rules)),
  ]
  // Samples mean something only where all else is right.
  return mistakes.length > 0 ? mistakes : matching.flatMap(([name, one]) => falseSamples(name, one, rules))
}

function incompleteDefault({ base: { figures } }: EgressRules): Mistake[] {
  const missing = NEEDED_FIGURES.filter((figure) => figures[figure] === undefined)
  if (missing.length === 0) return []
  return [{ path: ['default'], at: 'key', message: `every path needs ${missing.join(', ')}: say it here` }]
}

function deadProvider(name: string, one: WrittenProvider | false, under: EgressRules | undefined): Mistake[] {
  const path = ['providers', name]
  const isShipped = under?.providers.has(name) === true
  if (isShipped) return []
  if (one === false) return [{ path, at: 'key', message: 'no provider of this name is shipped: remove the line' }]
  const isDead = Object.keys(one.match ?? {}).length === 0
  const message = 'can never match: it needs match with mx_suffix, mx_host or domain, or the name of a shipped provider'
  return isDead ? [{ path, at: 'key', message }] : []
}

/** `known` are the names of all sources that there are. */
export function unknownSources({ written }: Pick<ProvidersFile, 'written'>, known: readonly string[]): Mistake[] {
  return Object.keys(written.sources ?? {})
    .filter((name) => !known.includes(name))
    .map((name) => {
      const meant = didYouMean(name, known)
      const mend = meant === undefined ? 'name it there, or remove this' : `did you mean "${meant}"?`
      return { path: ['sources', name], at: 'key', message: `config/sluice.yaml has no such source in egress: ${mend}` }
    })
}

const MATCH_KEYS = ['mx_suffix', 'mx_host', 'domain'] as const

/** Rules that another one of the file has already, and those that a wider one of the same provider includes. */
function shadowed(providers: readonly (readonly [string, WrittenProvider])[]): Mistake[] {
  const mistakes: Mistake[] = []
  for (const key of MATCH_KEYS) {
    const owners = new Map<string, string>()
    for (const [name, { match }] of providers) {
      for (const [index, text] of (match?.[key] ?? []).entries()) {
        const path = ['providers', name, 'match', key, index]
        const owner = owners.get(text)
        const wider = key === 'domain' ? undefined : widerSuffix(match?.mx_suffix ?? [], text, key === 'mx_suffix')
        if (owner !== undefined) mistakes.push({ path, at: 'value', message: sayTaken(text, owner, name) })
        else if (wider !== undefined) {
          mistakes.push({ path, at: 'value', message: `"${text}" is shadowed by mx_suffix ${wider}: keep one` })
        }
        owners.set(text, owner ?? name)
      }
    }
  }
  return mistakes
}

function sayTaken(text: string, owner: string, name: string): string {
  return owner === name
    ? `"${text}" stands here twice: keep one`
    : `"${text}" is shadowed by provider ${owner}: keep one`
}

function widerSuffix(suffixes: readonly string[], text: string, isSuffix: boolean): string | undefined {
  return suffixes.find((suffix) => text.endsWith(`.${suffix}`) || (!isSuffix && text === suffix))
}

function strangeKeys(section: string, entries: object = {}, read: (text: string) => Read<string>): Mistake[] {
  const first = new Map<string, string>()
  return Object.keys(entries).flatMap((key): Mistake[] => {
    const name = read(key)
    if ('problem' in name) return [{ path: [section, key], at: 'key', message: name.problem }]
    const same = first.get(name.value)
    if (same === undefined) first.set(name.value, key)
    return same === undefined ? [] : [{ path: [section, key], at: 'key', message: `is the same as ${same}: keep one` }]
  })
}

type At = readonly [path: readonly string[], figures: WrittenFigures]

function layersIn(written: ProvidersFile['written']): At[] {
  const layers: At[] = written.default ? [[['default'], written.default]] : []
  for (const section of ['providers', 'sites', 'domains', 'sources'] as const) {
    for (const [name, figures] of Object.entries(written[section] ?? {})) {
      if (figures !== false) layers.push([[section, name], figures])
    }
  }
  return layers
}

function contradictions(path: readonly string[], written: WrittenFigures, { base }: EgressRules): Mistake[] {
  const mistakes = saidAndUnset(written).map((figure): Mistake => {
    return { path: [...path, 'unset'], at: 'key', message: `${figure} has a value here too: keep one` }
  })
  const firstMs = written.retry?.first ?? base.figures['retry.first'] ?? 0
  const longestMs = written.retry?.longest ?? base.figures['retry.longest'] ?? Infinity
  if (written.retry && firstMs > longestMs)
    mistakes.push({ path: [...path, 'retry'], at: 'key', message: 'the first wait is longer than the longest' })
  return mistakes
}

function falseSamples(name: string, { is = [], is_not = [] }: WrittenProvider, { index }: EgressRules): Mistake[] {
  const mistakes: Mistake[] = []
  const check = (key: 'is' | 'is_not', samples: typeof is) => {
    samples.forEach(({ domain, mx }, at) => {
      const found = index.providerOf(domain, mx)
      if ((found === name) === (key === 'is')) return
      const message = `the sample does not hold: ${domain} at ${mx.join(', ')} is of ${found ?? 'no provider'}`
      mistakes.push({ path: ['providers', name, key, at], at: 'value', message })
    })
  }
  check('is', is)
  check('is_not', is_not)
  return mistakes
}

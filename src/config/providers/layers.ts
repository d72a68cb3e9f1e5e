/** Makes the layers of egress of what was written, and lays the operator's file over the shipped one. */
import type { EgressLayer, FigureName, FigureOrigin, LayerKind } from '../../egress/profile'
import { ProviderIndex, type ProviderMatch } from '../../egress/providers'
import type { EgressProvider, EgressRules } from '../../egress/rules'
import { readHost } from '../names'
import type { ShapedFile } from '../shaped'
import { type WrittenFigures, figuresOf, provenanceOf } from './figures'
import { type WrittenProviders, readSite } from './schema'

/** A file that was read and has the right shape. */
export type ProvidersFile = ShapedFile<WrittenProviders>

/** Of several files the later stands over the earlier, figure by figure. The default of them all must be complete. */
export function rulesOf(files: readonly ProvidersFile[]): EgressRules {
  const base = emptyLayer('default', '')
  const rules = {
    base,
    providers: new Map<string, EgressProvider>(),
    ...{ sites: new Map<string, EgressLayer>(), domains: new Map<string, EgressLayer>() },
    sources: new Map<string, EgressLayer>(),
  }
  for (const file of files) {
    const { written } = file
    if (written.default) rules.base = overlay(rules.base, layerOf(file, 'default', '', ['default'], written.default))
    addProviders(rules.providers, file)
    const put = (
      to: Map<string, EgressLayer>,
      kind: LayerKind,
      key: string,
      section: string,
      written: WrittenFigures,
    ) => {
      const name = section === 'sites' ? readSite(key) : section === 'domains' ? readHost(key) : { value: key }
      if (!('value' in name)) return
      const layer = layerOf(file, kind, name.value, [section, key], written)
      const under = to.get(name.value)
      to.set(name.value, under ? overlay(under, layer) : layer)
    }
    for (const [key, one] of Object.entries(written.sites ?? {})) put(rules.sites, 'site', key, 'sites', one)
    for (const [key, one] of Object.entries(written.domains ?? {})) put(rules.domains, 'domain', key, 'domains', one)
    for (const [key, one] of Object.entries(written.sources ?? {})) put(rules.sources, 'source', key, 'sources', one)
  }
  return { ...rules, index: new ProviderIndex([...rules.providers.values()]) }
}

function addProviders(providers: Map<string, EgressProvider>, file: ProvidersFile): void {
  for (const [name, one] of Object.entries(file.written.providers ?? {})) {
    if (one === false) {
      providers.delete(name)
      continue
    }
    const under = providers.get(name)
    const own = one.match && matchOf(one.match)
    const layer = layerOf(file, 'provider', name, ['providers', name], one)
    // What two files match, the later has: what ships may grow without a mistake in an operator's file.
    if (own) for (const other of providers.values()) providers.set(other.name, without(other, own))
    const match = own ?? under?.match ?? NO_MATCH
    providers.set(name, { name, match, layer: under ? overlay(under.layer, layer) : layer })
  }
}

const NO_MATCH: ProviderMatch = { mxSuffix: [], mxHost: [], domain: [] }

type WrittenMatch = Readonly<Record<'mx_suffix' | 'mx_host' | 'domain', readonly string[] | undefined>>

function matchOf({ mx_suffix = [], mx_host = [], domain = [] }: Partial<WrittenMatch>): ProviderMatch {
  return { mxSuffix: mx_suffix, mxHost: mx_host, domain }
}

function without({ match, ...rest }: EgressProvider, taken: ProviderMatch): EgressProvider {
  const left = (key: keyof ProviderMatch) => match[key].filter((name) => !taken[key].includes(name))
  return { ...rest, match: { mxSuffix: left('mxSuffix'), mxHost: left('mxHost'), domain: left('domain') } }
}

function emptyLayer(kind: LayerKind, name: string): EgressLayer {
  return { kind, name, figures: {}, unset: [], origins: new Map() }
}

function layerOf(
  { name: file, document }: ProvidersFile,
  kind: LayerKind,
  name: string,
  at: readonly string[],
  written: WrittenFigures,
): EgressLayer {
  const figures = figuresOf(written)
  const unset = written.unset ?? []
  const origins = new Map<FigureName, FigureOrigin>()
  const note = (figure: FigureName, path: readonly string[]) => {
    const { line } = document.placeOfKey([...at, ...path])
    origins.set(figure, { place: `${file}:${line}`, provenance: provenanceOf(written, figure) })
  }
  for (const figure of unset) note(figure, ['unset'])
  for (const figure of Object.keys(figures) as FigureName[]) note(figure, figure.split('.'))
  return { kind, name, figures, unset, origins }
}

/** One layer of two of the same name. */
function overlay(under: EgressLayer, over: EgressLayer): EgressLayer {
  const figures = { ...under.figures, ...over.figures }
  for (const figure of over.unset) delete figures[figure]
  const unset = [...new Set([...under.unset, ...over.unset])].filter((figure) => figures[figure] === undefined)
  return { ...over, figures, unset, origins: new Map([...under.origins, ...over.origins]) }
}

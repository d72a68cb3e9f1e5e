import {
  type EgressLayer,
  type EgressProfile,
  type FigureName,
  type ResolvedFigure,
  mergeLayers,
  profileOf,
} from './profile'
import { ProviderIndex, type NamedMatch, pathName, plainName, siteName } from './providers'

export interface EgressProvider extends NamedMatch {
  readonly layer: EgressLayer
}

/** All that the files say of egress. The default layer is complete. */
export interface EgressRules {
  readonly base: EgressLayer
  readonly providers: ReadonlyMap<string, EgressProvider>
  readonly index: ProviderIndex
  /** By {@link siteName}. */
  readonly sites: ReadonlyMap<string, EgressLayer>
  readonly domains: ReadonlyMap<string, EgressLayer>
  readonly sources: ReadonlyMap<string, EgressLayer>
}

/** Whom a delivery goes to, and from where. */
export interface Destination {
  readonly domain: string
  /** MX hosts; the domain itself where it has none. Not empty. */
  readonly mx: readonly string[]
  readonly source: string
}

export interface ResolvedPath {
  readonly path: string
  readonly source: string
  readonly provider: string | undefined
  readonly site: string
  readonly profile: EgressProfile
  /** In the order of the layers that said them first. */
  readonly figures: readonly ResolvedFigure[]
}

/** The source where none is configured. */
export const DEFAULT_SOURCE = 'default'

/** What is shared by all mail on a path; a domain or a site that says one of these for itself has a path of its own. */
const SHARED_FIGURES: readonly FigureName[] = ['connections', 'message_rate', 'connection_rate']

/** The path of a delivery and what holds on it. */
export function resolvePath(rules: EgressRules, { domain, mx, source }: Destination): ResolvedPath {
  const provider = rules.index.providerOf(domain, mx)
  const site = siteName(mx)
  const own = rules.domains.get(plainName(domain))
  const ofSite = rules.sites.get(site)
  const layers = [
    rules.base,
    provider === undefined ? undefined : rules.providers.get(provider)?.layer,
    ofSite,
    own,
    rules.sources.get(source),
  ].filter((layer) => layer !== undefined)
  const figures = mergeLayers(layers)
  const group = isApart(ofSite) ? site : (provider ?? site)
  const path = pathName(source, isApart(own) ? `@${plainName(domain)}` : group)
  return { path, source, provider, site, profile: profileOf(figures), figures: [...figures.values()] }
}

function isApart(layer: EgressLayer | undefined): boolean {
  return (
    layer !== undefined &&
    SHARED_FIGURES.some((one) => one in layer.figures || layer.unset.some((figure) => figure === one))
  )
}

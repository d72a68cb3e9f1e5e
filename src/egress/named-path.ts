import { type ResolvedFigure, mergeLayers } from './profile'
import type { EgressRules } from './rules'

/** What a path is made of: `egress|SOURCE|DESTINATION`. */
export interface PathParts {
  readonly source: string
  /** A provider, a site, or `@DOMAIN` of a domain with figures of its own. */
  readonly destination: string
}

/** Undefined when it is no path, or one so long that only its digest is left. */
export function partsOf(path: string): PathParts | undefined {
  const [root, source, destination, more] = path.split('|').map(plainValue)
  if (root !== 'egress' || !source || !destination || more !== undefined) return undefined
  return { source, destination }
}

/** The figures that all mail on a path has in common; those of a single domain or of a site without a name may differ. */
export function figuresOf(rules: EgressRules, path: string): ResolvedFigure[] {
  const { source = '', destination = '' } = partsOf(path) ?? {}
  const layers = [
    rules.base,
    rules.providers.get(destination)?.layer,
    rules.sites.get(destination),
    destination.startsWith('@') ? rules.domains.get(destination.slice(1)) : undefined,
    rules.sources.get(source),
  ].filter((layer) => layer !== undefined)
  return [...mergeLayers(layers).values()]
}

/** As `keyValue` writes it, read back. */
function plainValue(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

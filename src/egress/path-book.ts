import type { EgressProfile } from './profile'
import { plainName, siteName } from './providers'
import { type Destination, type EgressRules, type ResolvedPath, resolvePath } from './rules'

/** Destinations whose path is kept; the oldest go first. */
const MOST_KEPT = 10_000

/** Paths of destinations under the rules in force, each worked out once. */
export class PathBook {
  private readonly known = new Map<string, ResolvedPath>()
  private from: EgressRules

  constructor(private readonly rules: () => EgressRules) {
    this.from = rules()
  }

  resolve(destination: Destination): ResolvedPath {
    const rules = this.rules()
    if (rules !== this.from) {
      this.known.clear()
      this.from = rules
    }
    const { domain, mx, source } = destination
    const key = `${source} ${plainName(domain)} ${siteName(mx)}`
    const known = this.known.get(key)
    if (known) return known
    const resolved = resolvePath(rules, destination)
    if (this.known.size >= MOST_KEPT) this.known.delete(this.known.keys().next().value!)
    this.known.set(key, resolved)
    return resolved
  }

  /** What holds for a destination by the rules that are in force now. */
  profileOf(destination: Destination): EgressProfile {
    return this.resolve(destination).profile
  }
}

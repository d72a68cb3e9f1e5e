import { Allowance } from './allowance'

/** Failed attempts of one path: so many lines at once, then so many a second. */
export const PATH_BURST = 20
const PATH_PER_SECOND = 0.2
/** Of all paths together. */
const BURST = 500
const PER_SECOND = 20
const MOST_PATHS = 5000

/**
 * Which attempts that failed are worth a line. A provider that defers does so thousands of times, and means the same each
 * time. What is deferred and what is bounced are measured apart, so that neither hides the other.
 */
export class AttemptQuota {
  private readonly paths = new Map<string, Allowance>()
  private readonly overall = new Allowance(BURST, PER_SECOND)

  allows(path: string, result: string, at: number): boolean {
    return this.ofPath(`${result} ${path}`).take(at) && this.overall.take(at)
  }

  private ofPath(key: string): Allowance {
    const known = this.paths.get(key)
    if (known) return known
    // Whoever is forgotten begins anew, which the rate of all bounds.
    if (this.paths.size >= MOST_PATHS) this.paths.clear()
    const made = new Allowance(PATH_BURST, PATH_PER_SECOND)
    this.paths.set(key, made)
    return made
  }
}

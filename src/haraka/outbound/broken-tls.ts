import type { TlsVersion } from '../../egress/profile'
import type { Mx } from './types'

/** How long a host whose TLS is broken gets its mail in the clear, unless TLS is demanded. */
const REMEMBERED_MS = 3_600_000
/** Of more, the one that would be forgotten next is. */
const MOST_HOSTS = 10_000

/** Hosts with which a TLS handshake has failed, or that offered STARTTLS and then refused it. Known to this process alone. */
export class BrokenTls {
  /** When each is tried with TLS again, soonest first. */
  private readonly until = new Map<string, number>()

  constructor(private readonly now: () => number = Date.now) {}

  add(mx: Mx, minVersion: TlsVersion | undefined): void {
    const host = keyOf(mx, minVersion)
    this.until.delete(host)
    if (this.until.size >= MOST_HOSTS) this.until.delete(this.until.keys().next().value!)
    this.until.set(host, this.now() + REMEMBERED_MS)
  }

  has(mx: Mx, minVersion: TlsVersion | undefined): boolean {
    const host = keyOf(mx, minVersion)
    const until = this.until.get(host)
    if (until === undefined) return false
    if (until > this.now()) return true
    this.until.delete(host)
    return false
  }
}

/** A host without TLS 1.3 may well have TLS 1.2. */
function keyOf(mx: Mx, minVersion: TlsVersion | undefined): string {
  return `${mx.exchange ?? mx.path}|${mx.port}|${minVersion}`
}

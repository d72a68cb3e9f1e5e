import { CidrMap, type IpAddress, parseCidr } from '../keys/address'
import type { HarakaPlugin } from './types'

/** Haraka keeps its files in memory and reads them again when they change; our own copy is renewed so often. */
const RENEWED_MS = 10_000

/**
 * Addresses that Haraka believes when they speak for somebody else: `[haproxy] hosts[]` in connection.ini, and
 * xclient.hosts.
 */
export class Proxies {
  private known = new CidrMap<true>()
  private readAt = -Infinity

  constructor(
    private readonly config: HarakaPlugin['config'],
    private readonly clock: () => number = () => performance.now(),
  ) {}

  has(address: IpAddress): boolean {
    const now = this.clock()
    if (now - this.readAt >= RENEWED_MS) {
      this.known = this.read()
      this.readAt = now
    }
    return !this.known.empty && this.known.find(address) === true
  }

  private read(): CidrMap<true> {
    const { haproxy } = (this.config.get('connection.ini') ?? {}) as { haproxy?: { hosts?: Lines } }
    const hosts = linesOf(haproxy?.hosts).map(rangeOfHost)
    const others = linesOf(this.config.get('xclient.hosts', 'list') as Lines)
    const ranges = [...hosts, ...others].map((text) => parseCidr(text)).filter((range) => range !== undefined)
    return new CidrMap(ranges.map((range) => [range, true]))
  }
}

/** Haraka's reader gives one line as a string. */
type Lines = string | readonly string[] | undefined

function linesOf(lines: Lines): readonly string[] {
  return [lines ?? []].flat().map((line) => line.trim())
}

/** As haraka-net-utils reads them: an IPv6 address without bits is a /64. */
function rangeOfHost(host: string): string {
  return host.includes(':') && !host.includes('/') ? `${host}/64` : host
}

import { CidrMap, parseCidr } from '../keys/address'
import type { HarakaPlugin } from './types'

/** Addresses that Haraka believes when they speak for somebody else: `[haproxy] hosts[]` in connection.ini, and xclient.hosts. */
export function proxiesOf(plugin: HarakaPlugin): CidrMap<true> {
  const { haproxy } = (plugin.config.get('connection.ini') ?? {}) as { haproxy?: { hosts?: unknown } }
  const xclient = plugin.config.get('xclient.hosts', 'list')
  const texts = [haproxy?.hosts, xclient].flat().map(String)
  const proxies = new CidrMap<true>()
  for (const text of texts) {
    const range = parseCidr(text.trim())
    if (range) proxies.set(range, true)
  }
  return proxies
}

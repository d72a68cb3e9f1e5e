import { networkInterfaces } from 'node:os'
import type { Policy } from '../../config/compile'
import { parseIp, prefixText } from '../../keys/address'
import { valueOf } from '../haraka-directory'
import { type Finding, type Patient, ok, warn } from './finding'

/** Keys of outbound.ini that hold for nothing while plugin egress is listed. */
const OVERRULED = ['temp_fail_intervals', 'maxTempFailures', 'connect_timeout']
/** Haraka reads so many queue files at once, and by default 10,000, in which it answers nobody. */
const MOST_AT_ONCE = 500

/** What keeps mail from leaving as the configuration says. */
export function examineEgress({ egress }: Policy, { files }: Pick<Patient, 'files'>, own = ownAddresses()): Finding[] {
  if (!files.plugins().includes('sluice/plugins/egress')) return []
  const strange = [...egress.sources.values()].flatMap(({ name, bind, bind6 }) =>
    [bind, bind6]
      .filter((address) => address !== undefined && !own.has(address))
      .map((address) => `${name} (${address})`),
  )
  const outbound = files.ini('outbound.ini')
  const findings: Finding[] = []
  if (strange.length > 0) {
    const what = `no address of this host: ${strange.join(', ')}; nothing can leave from there`
    findings.push(warn('egress', what, 'mend egress.sources in config/sluice.yaml, or give the host the address'))
  }
  const unheeded = OVERRULED.filter((key) => valueOf(outbound, 'main', key) !== undefined)
  if (unheeded.length > 0) {
    const what = `${unheeded.join(', ')} in config/outbound.ini hold for nothing beside plugin egress`
    findings.push(warn('egress', what, 'say it under retry or timeouts in config/sluice/providers.yaml'))
  }
  const atOnce = Number(valueOf(outbound, 'main', 'concurrency_max') ?? 10_000)
  if (!(atOnce <= MOST_AT_ONCE)) {
    const what = `concurrency_max is ${atOnce}: Haraka reads as many queue files at once when it starts`
    findings.push(warn('egress', what, 'set concurrency_max=100 in config/outbound.ini'))
  }
  return findings.length > 0 ? findings : [ok('egress', 'mail can leave as config/sluice.yaml says')]
}

/** As the configuration writes them. */
function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return new Set(
    all.flatMap(({ address }) => {
      const ip = parseIp(address.replace(/%.*$/, ''))
      return ip ? [prefixText(ip, ip.family === 4 ? 32 : 128)] : []
    }),
  )
}

import { z } from 'zod'
import type { DnsblPolicy } from '../../gates/dnsbl/dnsbl-gate'
import type { RdnsPolicy } from '../../gates/rdns/rdns-gate'
import { parseIp } from '../../keys/address'
import { listZones } from '../list-zone'
import { buildOverrides } from '../maps'
import { correspondent, durationMs, isRising, mode, points, weight } from '../values'

const SERVER_HELP = 'write an address such as 127.0.0.1, 192.0.2.53:5353 or [2001:db8::53]:53'

export const dnsSchema = z.strictObject({
  servers: z
    .array(z.string().refine(isNameServer, SERVER_HELP))
    .max(10)
    .describe('Resolvers to ask, ADDRESS or ADDRESS:PORT; none: those of the system'),
  timeout: durationMs
    .refine((ms) => ms >= 100 && ms <= 4000, 'from 100ms to 4s: a client waits, and a stage must be judged within 5s')
    .describe('No question and no lookup takes longer; what is late counts as not known'),
})

function isNameServer(text: string): boolean {
  if (parseIp(text)) return true
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  return parseIp(bracketed ?? plain ?? '') !== undefined && Number(port ?? 53) >= 1 && Number(port ?? 53) <= 65_535
}

export const dnsblSchema = z
  .strictObject({
    mode: mode.describe('Of its own, since others say who is listed'),
    defer: points.describe('From so many points of DNS lists on recipients are deferred (450); false: never'),
    reject: points.describe('From so many points of DNS lists on recipients are refused (550); false: never'),
    allow: z
      .array(correspondent)
      .max(10_000)
      .describe('Never refused for being listed: senders, recipients (addresses or domains) and networks'),
    zones: listZones.describe('DNS lists to ask; none ship switched on'),
  })
  .refine(({ defer, reject }) => isRising([defer, reject]), {
    path: ['reject'],
    message: 'must be more than defer: what is graver needs more points',
  })

export function compileDnsbl({ mode, defer, reject, allow, zones }: z.output<typeof dnsblSchema>): DnsblPolicy {
  const banning = new Set(zones.filter(({ ban, kind }) => ban && kind === 'ip').map(({ label }) => label))
  return {
    mode,
    defer,
    reject,
    banning,
    allow: buildOverrides(allow.map((key) => ({ key, value: 'exempt' as const }))),
  }
}

export const rdnsSchema = z.strictObject({
  mode: mode.describe('Of missing_ipv6; points are counted by plugin score, in its own mode'),
  missing_ipv6: z
    .enum(['signal', 'defer', 'reject'])
    .describe('An IPv6 client without a reverse name: points alone, or deferred (450), or refused (550)'),
  weights: z
    .strictObject({
      missing: weight.describe('The address has no reverse name'),
      unconfirmed: weight.describe('It has, and none of them leads back to it'),
      generic: weight.describe('Its names look like those of a dial-up pool'),
      helo_address: weight.describe('HELO is an address that is not its own'),
      helo_bare: weight.describe('HELO is a name without a domain'),
      helo_ours: weight.describe('HELO is our own name'),
      helo_mismatch: weight.describe('HELO is of another organisation than every reverse name'),
    })
    .describe('Points of reverse DNS and HELO, for plugin score'),
})

export function compileRdns({ mode, missing_ipv6 }: z.output<typeof rdnsSchema>): RdnsPolicy {
  return { mode, missingIpv6: missing_ipv6 }
}

import { keyText } from '../../keys/key'
import type { Rule } from '../../policy/decision'
import type { GateAsk } from '../../policy/gate'
import type { Client, Subject } from '../../policy/subject'
import type { MeritAsk } from '../../store/store'
import { CLIENT_TIER, NEIGHBOURHOOD_TIER, tierText } from '../limits/rule'
import { type Bearer, LEAST_SAMPLES, MOST_SAMPLES, PROVEN_MEAN, type ReputationPolicy } from './reputation'

/** How long conduct is remembered. */
export type Memory = Pick<ReputationPolicy, 'halfLifeMs' | 'keepMs'>

/** Merits are asked under this rule; it finds nothing. */
export const REPUTATION_PLUGIN = 'reputation'
const RULE: Rule = {
  name: 'reputation',
  plugin: REPUTATION_PLUGIN,
  mode: { kind: 'shadow' },
  remedy: 'defer',
  onError: 'accept',
  text: '',
}

const BECAUSE: Readonly<Record<Bearer, string>> = {
  client: 'a client of good reputation',
  domain: 'a domain of good reputation',
  network: 'a network of good reputation',
  asn: 'a provider of good reputation',
}

/** Reads, and with a sample also writes, what is remembered of one bearer. `ok`: it has proven itself. */
export function meritAsk(bearer: Bearer, name: string, { halfLifeMs, keepMs }: Memory, sample?: number): MeritAsk {
  return {
    op: 'merit',
    key: keyText(`reputation_${bearer}`, [name]),
    enforced: false,
    leastSamples: LEAST_SAMPLES,
    leastMean: PROVEN_MEAN,
    halfLifeMs,
    keepMs,
    most: MOST_SAMPLES,
    apartMs: 0,
    ...(sample === undefined ? {} : { sample }),
  }
}

/** The same as an ask of a gate. */
export function readMerit(bearer: Bearer, name: string, memory: Memory): GateAsk {
  return { rule: RULE, ask: meritAsk(bearer, name, memory), merit: bearer, because: BECAUSE[bearer] }
}

/** Under which names a client itself is remembered. */
export function bearersOf(client: Client): [Bearer, string][] {
  const names: [Bearer, string][] = [
    ['client', tierText(client.address, CLIENT_TIER)],
    ['network', tierText(client.address, NEIGHBOURHOOD_TIER)],
  ]
  if (client.asn !== undefined) names.push(['asn', client.asn])
  return names
}

/** Asks that tell whether the client, or the domain that SPF has proved for its sender, has proven itself. */
export function provenAsks({ client, spfDomain }: Subject, memory: Memory): GateAsk[] {
  const asks = [readMerit('client', tierText(client.address, CLIENT_TIER), memory)]
  if (spfDomain !== undefined) asks.push(readMerit('domain', spfDomain, memory))
  return asks
}

import { hash32, keyText } from '../../keys/key'
import type { Ask, MeritAsk, WindowAsk } from '../../store/store'
import { CLIENT_TIER, NEIGHBOURHOOD_TIER, type Tier, tierText } from '../limits/rule'
import type { BanTarget } from '../../policy/ban'
import type { Client } from '../../policy/subject'
import type { JailPolicy, Offence } from './jail-policy'

const DAY_MS = 86_400_000
/** By then every process has heard of a ban, and counts nothing more of who is banned. */
const HEARD_MS = 30_000
const MOST_BANS = 1000

/** The client as bans and buckets know it: an IPv4 address, an IPv6 /64. */
export function clientText(client: Client): string {
  return tierText(client.address, CLIENT_TIER)
}

export function neighbourhoodText(client: Client): string {
  return tierText(client.address, NEIGHBOURHOOD_TIER)
}

/** What an offence fills; `ban` when it overflows for the client, `slow` for the account. */
export interface Charge {
  readonly ask: WindowAsk
  readonly overflow: 'ban' | 'slow_account' | 'slow_client'
}

/** The buckets that one offence fills. They are no limits: nothing waits for the answer, and nothing is refused by it. */
export function chargesFor(
  policy: JailPolicy,
  client: Client,
  offence: Offence,
  account: string | undefined,
): Charge[] {
  const points = policy.points[offence]
  const who = clientText(client)
  const charges: Charge[] = []
  if (points > 0) charges.push({ ask: bucket('jail', [who], policy.client, points), overflow: 'ban' })
  if (offence === 'auth' && account !== undefined) {
    charges.push({ ask: bucket('jail_account', [account], policy.account, 1), overflow: 'slow_account' })
    charges.push({ ask: bucket('jail_login', [who, account], policy.clientAccount, 1), overflow: 'slow_client' })
  }
  return charges
}

function bucket(name: string, values: readonly string[], windows: WindowAsk['windows'], cost: number): WindowAsk {
  return { op: 'window', key: keyText(name, values), enforced: false, windows, cost }
}

/**
 * Keys of all that leads to a ban of the target, or makes the next one longer: for a client its points and its record, for
 * a neighbourhood its record and its offenders. What slows the logins of an account is not among them.
 */
export function countsAgainst(target: BanTarget): string[] {
  if (target.kind !== 'network') return []
  const { family, bytes, bits } = target.range
  const bitsOf = ({ bits4, bits6 }: Tier) => (family === 4 ? bits4 : bits6)
  // An address of a client's /64 counts as the client.
  if (bits >= bitsOf(CLIENT_TIER)) {
    const who = tierText({ family, bytes, texts: new Map() }, CLIENT_TIER)
    return [keyText('jail', [who]), recordKey(who), turnKey(who)]
  }
  const { text } = target
  return bits === bitsOf(NEIGHBOURHOOD_TIER) ? [recordKey(text), offendersKey(text), turnKey(text)] : []
}

function turnKey(target: string): string {
  return keyText('jail_turn', [target])
}

function recordKey(target: string): string {
  return keyText('jail_record', [target])
}

function offendersKey(network: string): string {
  return keyText('jail_network', [network])
}

/**
 * Has room for the one process that bans the target now. Offences come in parallel, to several processes, and a second
 * ban would be twice as long. Enforced: who is late records nothing.
 */
export function turnAsk(target: string, { sentencing }: Pick<JailPolicy, 'sentencing'>): WindowAsk {
  const windows = [{ limit: 1, windowMs: Math.min(HEARD_MS, sentencing.firstMs) }]
  return { op: 'window', key: turnKey(target), enforced: true, windows, cost: 1 }
}

/** Remembers that a target is banned once more; the answer's count is how often it has been before. */
export function recordAsk(target: string, { memoryMs }: Pick<JailPolicy, 'memoryMs'>): MeritAsk {
  return {
    op: 'merit',
    key: recordKey(target),
    enforced: false,
    leastSamples: 0,
    leastMean: -1,
    halfLifeMs: 0,
    most: MOST_BANS,
    apartMs: 0,
    keepMs: memoryMs,
    sample: -1,
  }
}

/** Refused when this client is one offender too many for its network. */
export function offenderAsk(client: Client, { offenders }: Pick<JailPolicy, 'offenders'>): Ask {
  const key = offendersKey(neighbourhoodText(client))
  const value = hash32(clientText(client))
  return { op: 'distinct', key, enforced: false, value, limit: offenders, windowMs: DAY_MS }
}

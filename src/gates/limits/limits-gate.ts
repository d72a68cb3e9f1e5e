import { keyText } from '../../keys/key'
import { NULL_SENDER } from '../../keys/mailbox'
import type { Exemption } from '../../policy/decision'
import { type Gate, type GateAsk, meritIndex } from '../../policy/gate'
import { isEnforced } from '../../policy/mode'
import type { Stage, Subject } from '../../policy/subject'
import type { Ask } from '../../store/store'
import { type Memory, provenAsks } from '../reputation/merits'
import { findOverride, isEmpty } from './override'
import {
  CLIENT_TIER,
  type Count,
  type Dimension,
  type Limit,
  type LimitRule,
  NEIGHBOURHOOD_TIER,
  NETWORK_TIER,
  type Tier,
  scaleByReputation,
  scaleLimit,
  tierText,
} from './rule'

/** How long a lease lives without a sign of life from the process that holds it. */
export const LEASE_TTL_MS = 60_000

/** A rule with what can be worked out before the first subject comes: its limit for each tier. */
interface PreparedRule {
  readonly rule: LimitRule
  readonly tiers: readonly PreparedTier[]
  readonly namesSender: boolean
  readonly overridden: boolean
}

interface PreparedTier {
  readonly tier: Tier
  readonly name: string
  readonly limit: Limit
  /** The same, for each factor of a reputation that has come up; there are few. */
  readonly scaled: Map<number, Limit>
  /** The key is made of the client's address alone, so it is the same for the whole session. */
  readonly ofAddress: boolean
}

/** Which senders an entry of the plan is for. */
type Senders = 'any' | 'named' | 'null'

interface PlannedRule {
  readonly prepared: PreparedRule
  readonly senders: Senders
}

/** The stage at which a rule asks. Recipients are counted as attempts, unless the key names the recipient: then only valid ones. */
export function stageOf(rule: Pick<LimitRule, 'count' | 'per'>): Stage {
  const namesRecipient = rule.per.includes('recipient') || rule.per.includes('recipient_domain')
  switch (rule.count) {
    case 'connections':
    case 'sessions':
      return 'connect'
    case 'messages':
      return namesRecipient ? 'rcpt_ok' : 'mail'
    case 'recipients':
      return namesRecipient ? 'rcpt_ok' : 'rcpt'
    case 'bytes':
      return 'data_post'
  }
}

/** All limit rules of one plugin, as a gate. */
export function limitsGate(plugin: string, rules: readonly LimitRule[], memory: Memory): Gate {
  const live = rules.filter((rule) => rule.plugin === plugin && rule.mode.kind !== 'off')
  const byStage = new Map<Stage, PlannedRule[]>()
  for (const rule of live) planRule(byStage, prepare(rule))
  return {
    plugin,
    stages: [...byStage.keys()],
    ask: (subject, asks, exemptions) => {
      for (const planned of byStage.get(subject.stage)!) askRule(planned, subject, asks, exemptions, memory)
    },
  }
}

function planRule(byStage: Map<Stage, PlannedRule[]>, prepared: PreparedRule): void {
  const stage = stageOf(prepared.rule)
  if (stage !== 'mail' || !prepared.namesSender) {
    add(byStage, stage, { prepared, senders: 'any' })
    return
  }
  // All the world shares the null sender. Where a key names the sender, bounces are judged per network and recipient
  // instead, which is known only later.
  add(byStage, 'mail', { prepared, senders: 'named' })
  add(byStage, 'rcpt_ok', { prepared, senders: 'null' })
}

function prepare(rule: LimitRule): PreparedRule {
  const tiers = rule.tiers.map((tier, index) => ({
    tier,
    name: index === 0 ? rule.name : `${rule.name}/${tier.bits4}`,
    limit: scaleLimit(rule.limit, tier.factor),
    scaled: new Map<number, Limit>(),
    ofAddress: rule.per.length === 1 && (rule.per[0] === 'client' || rule.per[0] === 'network'),
  }))
  const namesSender = rule.per.includes('sender') || rule.per.includes('sender_domain')
  return { rule, tiers, namesSender, overridden: !isEmpty(rule.overrides) }
}

function add(byStage: Map<Stage, PlannedRule[]>, stage: Stage, planned: PlannedRule): void {
  const list = byStage.get(stage)
  if (list) list.push(planned)
  else byStage.set(stage, [planned])
}

/** Adds what a rule asks about a subject. Runs for every rule of every stage: it allocates what it must. */
function askRule(
  { prepared, senders }: PlannedRule,
  subject: Subject,
  asks: GateAsk[],
  exemptions: Exemption[],
  memory: Memory,
): void {
  const { rule, tiers } = prepared
  if (rule.direction !== undefined && rule.direction !== subject.direction) return
  // One message to one mailbox, however often its envelope says so: else a single client could use up all it may get.
  if (subject.repeated) return
  const nullSender = prepared.namesSender && subject.sender === NULL_SENDER
  if (senders !== 'any' && nullSender !== (senders === 'null')) return
  const because = exemptBecause(rule, subject)
  if (because !== undefined) {
    exemptions.push({ rule: rule.name, because })
    return
  }
  const override = prepared.overridden ? findOverride(rule.overrides, rule.per, subject) : undefined
  if (override?.value === 'exempt') {
    exemptions.push({ rule: rule.name, because: `override ${override.entry}` })
    return
  }
  const unless = rule.untilProven ? provenAsks(subject, memory).map((asked) => meritIndex(asks, asked)) : undefined
  for (const prepared of tiers) {
    const key = keyOf(prepared, rule.per, subject, nullSender)
    if (key === undefined) return
    const granted = override ? scaleLimit(override.value, prepared.tier.factor) : limitFor(prepared, rule, subject)
    const ask = askFor(granted, key, isEnforced(rule.mode, key), costOf(rule.count, subject), subject)
    asks.push({ rule, ask: unless ? { ...ask, unless } : ask })
  }
}

function limitFor({ limit, scaled }: PreparedTier, { scales }: LimitRule, { limitFactor }: Subject): Limit {
  if (limitFactor === 1 || !scales) return limit
  let known = scaled.get(limitFactor)
  if (known === undefined) {
    known = scaleByReputation(limit, limitFactor)
    scaled.set(limitFactor, known)
  }
  return known
}

/** Undefined when the rule is not about this subject. */
function keyOf(prepared: PreparedTier, per: readonly Dimension[], subject: Subject, nullSender: boolean) {
  const { texts } = subject.client.address
  const known = prepared.ofAddress ? texts.get(prepared) : undefined
  if (known !== undefined) return known
  const values = nullSender ? nullSenderValues(per, subject) : keyValues(per, subject, prepared.tier)
  if (values === undefined) return undefined
  const key = keyText(prepared.name, values)
  if (prepared.ofAddress) texts.set(prepared, key)
  return key
}

function exemptBecause(rule: LimitRule, subject: Subject): string | undefined {
  if (rule.exemptTrusted && subject.client.trusted) return 'trusted network'
  if (rule.exemptAuthenticated && subject.account !== undefined) return 'authenticated'
  return undefined
}

/** Undefined when the rule is not about this subject, as for {@link keyValues}. */
function nullSenderValues(per: readonly Dimension[], subject: Subject): string[] | undefined {
  if (keyValues(per, subject, NETWORK_TIER) === undefined) return undefined
  const { client, recipient, account, tenant } = subject
  const values = ['<>', tierText(client.address, NETWORK_TIER)]
  if (recipient !== undefined) values.push(recipient.address)
  if (account !== undefined && per.includes('account')) values.push(account)
  if (tenant !== undefined && per.includes('tenant')) values.push(tenant)
  return values
}

/** Returns undefined when the subject lacks a part of the key, such as an account: the rule then does not apply. */
export function keyValues(per: readonly Dimension[], subject: Subject, tier: Tier): string[] | undefined {
  const values: string[] = []
  for (const dimension of per) {
    const value = valueOf(dimension, subject, tier)
    if (value === undefined) return undefined
    values.push(value)
  }
  return values
}

function valueOf(dimension: Dimension, subject: Subject, tier: Tier): string | undefined {
  switch (dimension) {
    case 'client':
      return tierText(subject.client.address, tier === NEIGHBOURHOOD_TIER ? CLIENT_TIER : tier)
    case 'network':
      return tierText(subject.client.address, tier === CLIENT_TIER ? NEIGHBOURHOOD_TIER : tier)
    case 'helo':
      return subject.helo?.toLowerCase()
    case 'sender':
      return subject.sender?.address
    case 'sender_domain':
      return subject.sender?.organisation
    case 'recipient':
      return subject.recipient?.address
    case 'recipient_domain':
      return subject.recipient?.domain
    case 'account':
      return subject.account
    case 'tenant':
      return subject.tenant
    case 'session':
      return subject.session.leaseId
  }
}

function costOf(count: Count, subject: Subject): number {
  return count === 'bytes' ? Math.max(1, subject.sizeBytes) : 1
}

function askFor(limit: Limit, key: string, enforced: boolean, cost: number, subject: Subject): Ask {
  switch (limit.kind) {
    case 'windows':
      return { op: 'window', key, enforced, windows: limit.windows, cost }
    case 'rate':
      return { op: 'rate', key, enforced, intervalMs: limit.intervalMs, burst: limit.burst, cost }
    case 'concurrency':
      return { op: 'lease', key, enforced, limit: limit.most, id: subject.session.leaseId, ttlMs: LEASE_TTL_MS }
  }
}

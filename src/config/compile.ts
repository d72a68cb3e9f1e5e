import { limitsGate, stageOf } from '../gates/limits/limits-gate'
import {
  CLIENT_TIER,
  CLIENT_TIERS,
  type LimitRule,
  NEIGHBOURHOOD_TIER,
  NEIGHBOURHOOD_TIERS,
  NO_OVERRIDES,
  type Overrides,
  type Tier,
} from '../gates/limits/rule'
import { GREYLIST_PLUGIN, type Greylist, greylistGate } from '../gates/greylist/greylist-gate'
import { OVERLOAD_PLUGIN, type Overload, overloadGate } from '../gates/overload/overload-gate'
import { DNSBL_PLUGIN, type DnsblPolicy, dnsblGate } from '../gates/dnsbl/dnsbl-gate'
import { RDNS_PLUGIN, type RdnsPolicy, rdnsGate } from '../gates/rdns/rdns-gate'
import { SENDERS_PLUGIN, sendersGate } from '../gates/senders/senders-gate'
import { SCORE_PLUGIN, type ScorePolicy, scoreGate } from '../gates/score/score-gate'
import { MAILBOMB_PLUGIN, type MailbombPolicy, mailbombGate } from '../gates/mailbomb/mailbomb-gate'
import { REPUTATION_PLUGIN } from '../gates/reputation/merits'
import type { ReputationPolicy } from '../gates/reputation/reputation'
import { reputationGate } from '../gates/reputation/reputation-gate'
import { JAIL_PLUGIN, jailGate } from '../gates/jail/jail-gate'
import type { JailPolicy } from '../gates/jail/jail-policy'
import { SUPPRESS_PLUGIN, type SuppressionPolicy, suppressGate } from '../gates/suppress/suppress-gate'
import { type SessionBounds, sessionGate } from '../gates/session-gate'
import type { EgressPolicy } from '../egress/sources'
import type { AutomationPolicy } from '../feedback/automation/policy'
import type { FeedbackPolicy } from '../feedback/feedback-policy'
import { CidrMap } from '../keys/address'
import type { Gate } from '../policy/gate'
import { type GatePlan, planGates } from '../policy/pipeline'
import type { Mode } from '../policy/mode'
import { MAX_ASKS } from '../store/store'
import { compileAutomation } from './sections/automation'
import { compileDnsbl, compileRdns } from './sections/dns'
import { compileEgress } from './sections/egress'
import { problemsOfEgress } from './sections/egress-names'
import { compileFeedback } from './sections/feedback'
import { compileGreylist } from './sections/greylist'
import { compileJail } from './sections/jail'
import { compileMailbomb } from './sections/mailbomb'
import { compileOverload } from './sections/overload'
import { problemsOfOwnAddresses } from './sections/own-addresses'
import { compileReputation } from './sections/reputation'
import { compileScore } from './sections/score'
import { compileSuppression } from './sections/suppression'
import type { Config, RuleInput } from './schema'

/** Everything the suite does, compiled once from one valid configuration and never changed: a reload makes another. */
export interface Policy {
  readonly rules: readonly LimitRule[]
  readonly trusted: CidrMap<true>
  readonly tenants: ReadonlyMap<string, string>
  readonly session: SessionBounds
  readonly jail: JailPolicy
  readonly reputation: ReputationPolicy
  readonly greylist: Greylist
  readonly mailbomb: MailbombPolicy
  readonly suppression: SuppressionPolicy
  readonly egress: EgressPolicy
  readonly automation: AutomationPolicy
  readonly feedback: FeedbackPolicy
  readonly config: Config
  /** Gates of the plugins that are listed, in the order in which they are listed. */
  plan(plugins: readonly string[]): GatePlan
}

/** A configuration that is well formed and still cannot be: `path` is the key, `message` says what and how to mend. */
export interface CompileProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

export type Compiled = { readonly policy: Policy } | { readonly problems: readonly CompileProblem[] }

/** `overridesOf` returns the overrides of a rule, map file included; the loader reads them. */
export function compilePolicy(config: Config, overridesOf: (rule: string) => Overrides | undefined): Compiled {
  const problems: CompileProblem[] = []
  const rules: LimitRule[] = []
  for (const [name, input] of Object.entries(config.limits)) {
    if (input === false) continue
    problems.push(...problemsOf(name, input))
    rules.push(compileRule(name, input, config.mode, overridesOf(name) ?? NO_OVERRIDES))
  }
  problems.push(...tooManyAsks(rules), ...problemsOfEgress(config.egress))
  problems.push(...problemsOfOwnAddresses(config.automation.own_addresses, config.egress.sources))
  if (problems.length > 0) return { problems }
  const session: SessionBounds = {
    recipients: config.session.recipients,
    errors: config.session.errors,
    junk: config.session.junk,
    lengthMs: config.session.length,
    mode: config.session.mode ?? config.mode,
  }
  const score = compileScore(config.score, config.tarpit.longest)
  const reputation = compileReputation(config.reputation)
  // Both gates share one memory of whom our users have written to: neither may cut it short for the other.
  const correspondentsMs = Math.max(config.greylist.pass, config.mailbomb.memory)
  const parts: Parts = {
    rules,
    session,
    greylist: compileGreylist(config.greylist, { weights: score.weights, reputation, correspondentsMs }),
    score,
    jail: compileJail(config.jail),
    reputation,
    mailbomb: compileMailbomb(config.mailbomb, correspondentsMs),
    suppression: compileSuppression(config.suppression),
    dnsbl: compileDnsbl(config.dnsbl),
    rdns: compileRdns(config.rdns),
    overload: compileOverload(config.overload, config.tarpit.longest),
  }
  const policy: Policy = {
    rules,
    session,
    jail: parts.jail,
    reputation,
    greylist: parts.greylist,
    mailbomb: parts.mailbomb,
    suppression: parts.suppression,
    egress: compileEgress(config.egress),
    automation: compileAutomation(config.automation),
    feedback: compileFeedback(config.feedback),
    config,
    trusted: new CidrMap(config.trusted.map((range) => [range, true])),
    // Accounts come in lower case: some servers tell `Ann` from `ann`, and no operator does.
    tenants: new Map(Object.entries(config.tenants).map(([account, tenant]) => [account.toLowerCase(), tenant])),
    plan: (plugins) => planGates(plugins.flatMap((plugin) => gatesOf(plugin, partsFor(plugins, parts)))),
  }
  return { policy: Object.freeze(policy) }
}

/** What the gates are made from. */
interface Parts {
  readonly rules: readonly LimitRule[]
  readonly session: SessionBounds
  readonly greylist: Greylist
  readonly score: ScorePolicy
  readonly jail: JailPolicy
  readonly reputation: ReputationPolicy
  readonly mailbomb: MailbombPolicy
  readonly suppression: SuppressionPolicy
  readonly dnsbl: DnsblPolicy
  readonly rdns: RdnsPolicy
  readonly overload: Overload
}

/** Where nobody's conduct is remembered, nobody is ever proven: rules that wait for it would hold everybody for ever. */
function partsFor(plugins: readonly string[], parts: Parts): Parts {
  if (plugins.includes(REPUTATION_PLUGIN)) return parts
  return { ...parts, rules: parts.rules.filter(({ untilProven }) => !untilProven) }
}

function gatesOf(plugin: string, parts: Parts): Gate[] {
  const { rules, session, greylist, score, jail, reputation, mailbomb, dnsbl, rdns, overload } = parts
  const { suppression } = parts
  switch (plugin) {
    case 'connections':
      return [sessionGate(session), limitsGate('connections', rules, reputation)]
    case 'messages':
      return [limitsGate('messages', rules, reputation)]
    case GREYLIST_PLUGIN:
      return [greylistGate(greylist)]
    case OVERLOAD_PLUGIN:
      return [overloadGate(overload)]
    case JAIL_PLUGIN:
      return [jailGate(jail)]
    case REPUTATION_PLUGIN:
      return [reputationGate(reputation)]
    case MAILBOMB_PLUGIN:
      return [mailbombGate(mailbomb)]
    case SUPPRESS_PLUGIN:
      return [suppressGate(suppression)]
    case SENDERS_PLUGIN:
      return [sendersGate()]
    case SCORE_PLUGIN:
      return [scoreGate(score)]
    case DNSBL_PLUGIN:
      return [dnsblGate(dnsbl)]
    case RDNS_PLUGIN:
      return [rdnsGate(rdns)]
    default:
      return []
  }
}

function compileRule(name: string, input: RuleInput, mode: Mode, overrides: Overrides): LimitRule {
  return Object.freeze({
    name,
    plugin: input.count === 'connections' || input.count === 'sessions' ? 'connections' : 'messages',
    mode: input.mode ?? mode,
    remedy: input.answer ?? 'defer',
    onError: input.on_error ?? 'accept',
    text: input.text ?? defaultText(name),
    ends: input.count === 'connections' || input.count === 'sessions',
    count: input.count,
    per: input.per,
    limit: input.limit,
    tiers: tiersOf(input),
    exemptTrusted: input.exempt?.includes('trusted') ?? true,
    exemptAuthenticated: input.exempt?.includes('authenticated') ?? false,
    direction: input.direction,
    untilProven: input.until === 'proven',
    scales: scalesWithReputation(input),
    overrides,
  })
}

/** Limits of the client itself. Those of accounts and mailboxes are nobody's reputation but their own. */
function scalesWithReputation({ per }: RuleInput): boolean {
  return (
    per.some((part) => AT_CONNECT.includes(part)) && per.every((part) => AT_CONNECT.includes(part) || part === 'helo')
  )
}

/** What a client reads where the rule does not say. */
export function defaultText(rule: string): string {
  return `Over the limit of ${rule.replaceAll('_', ' ')}`
}

function tiersOf(input: RuleInput): readonly Tier[] {
  const network = input.per.includes('network')
  if (input.tiers) return network ? NEIGHBOURHOOD_TIERS : CLIENT_TIERS
  return [network ? NEIGHBOURHOOD_TIER : CLIENT_TIER]
}

const AT_CONNECT: readonly string[] = ['client', 'network']
const NAMES_ACCOUNT: readonly string[] = ['account', 'tenant']

/** What is well written and still cannot be: above all, rules that would never apply. */
function problemsOf(name: string, input: RuleInput): CompileProblem[] {
  const problems: CompileProblem[] = []
  const say = (key: string, message: string) => problems.push({ path: ['limits', name, key], message })
  const { count, per } = input
  const concurrency = input.limit.kind === 'concurrency'
  if (count === 'sessions' && !concurrency) {
    say('limit', 'sessions are counted while they last: write {concurrency: 10}, or count: connections for a rate')
  }
  if (count !== 'sessions' && concurrency) {
    say('limit', 'concurrency is for count: sessions; write a rate such as 5/min here')
  }
  if (new Set(per).size !== per.length) say('per', 'names the same thing twice')
  if (input.tiers && !per.some((dimension) => AT_CONNECT.includes(dimension))) {
    say('tiers', 'tiers widen an address: they need per: client or per: network')
  }
  const late = per.find((dimension) => !AT_CONNECT.includes(dimension) && dimension !== 'session')
  if (stageOf(input) === 'connect') {
    if (late !== undefined) say('per', `${late} is not yet known when a client connects: use client or network`)
    else if (per.includes('session')) say('per', 'a session is one connection: this limit could never be reached')
  }
  if (stageOf(input) === 'data_post' && per.some((dimension) => dimension.startsWith('recipient'))) {
    say('per', 'bytes are counted once for a message, whatever its recipients: leave the recipient out')
  }
  if (per.some((dimension) => NAMES_ACCOUNT.includes(dimension))) {
    const why = 'can never apply: only who has authenticated has an account and a tenant'
    if (input.exempt?.includes('authenticated')) say('exempt', `${why}, and those are exempt`)
    if (input.direction === 'inbound') say('direction', `${why}, and that mail is submission`)
  }
  return problems
}

function tooManyAsks(rules: readonly LimitRule[]): CompileProblem[] {
  const asks = new Map<string, number>()
  for (const rule of rules) {
    const stage = stageOf(rule)
    asks.set(stage, (asks.get(stage) ?? 0) + rule.tiers.length)
  }
  return [...asks]
    .filter(([, count]) => count > MAX_ASKS / 2)
    .map(([stage, count]) => ({
      path: ['limits'],
      message: `${count} counters at stage ${stage}, at most ${MAX_ASKS / 2}: remove rules or their tiers`,
    }))
}

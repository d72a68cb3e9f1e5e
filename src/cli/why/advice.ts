import type { LimitRule } from '../../gates/limits/rule'
import { SENDERS_PLUGIN } from '../../gates/senders/senders-gate'
import type { DecisionRecord, RecordedDecision } from '../../telemetry/decision-record'

/** What to type now: the command that shows the counter, and what to write into the configuration. */
export function adviceFor(
  record: DecisionRecord,
  decision: RecordedDecision,
  rule: LimitRule | undefined,
  dirOption: string,
): string[] {
  if (decision.reason === 'overload') return overloadAdvice(record)
  const bound = /^session_(recipients|errors|junk|length)$/.exec(decision.rule)?.[1]
  if (bound !== undefined) return sessionAdvice(bound, record)
  const show = `sluice limits show ${shellQuoted(decision.key)}${dirOption}`
  if (decision.reason === 'ban') return banAdvice(decision, record, dirOption)
  if (decision.reason === 'suppressed') return suppressedAdvice(decision, dirOption)
  if (decision.plugin === SENDERS_PLUGIN) return orderAdvice(decision, dirOption)
  if (decision.reason === 'score') return scoreAdvice(record)
  if (decision.reason === 'dnsbl') return dnsblAdvice(record, dirOption)
  if (decision.reason === 'rdns') return rdnsAdvice(record)
  if (decision.reason === 'store_unreachable') return [`sluice doctor${dirOption}`, show]
  if (decision.rule === 'mailbomb') return [show, ...MAILBOMB_ADVICE]
  if (decision.reason === 'greylist') return [show, ...greylistAdvice(record)]
  const entry = JSON.stringify(overrideEntry(record, decision, rule))
  const where = `under limits.${decision.rule}.overrides in config/sluice.yaml`
  const more = moreText(decision, rule)
  return [
    show,
    ...(more === undefined ? [] : [`to allow it more, ${where}:  ${entry}: ${more}`]),
    `to lift the limit for it, ${more === undefined ? where : 'there'}:  ${entry}: exempt`,
  ]
}

function overloadAdvice({ ip }: DecisionRecord): string[] {
  return [
    'see what was short: the log line "load level …" of that time, or sluice_load_pressure in the metrics',
    'who has delivered mail or logged in lately, from the same network, is let in longer than strangers',
    `never to turn it away: add ${ip} to trusted in config/sluice.yaml`,
  ]
}

function banAdvice({ key }: RecordedDecision, { ip }: DecisionRecord, dirOption: string): string[] {
  const target = key.slice('ban|'.length)
  return [
    `sluice bans${dirOption}   (why, and by whom)`,
    `to let it in again: sluice unban ${shellQuoted(target)}${dirOption}`,
    ...(target.includes(':') && !/^[0-9a-f:./]+$/.test(target)
      ? []
      : [`so that it is never banned: add ${ip} to jail.never in config/sluice.yaml`]),
  ]
}

/** The key has the address as it was written, and whose list it is on; `recipient` has its tag folded away. */
function suppressedAdvice({ key }: RecordedDecision, dirOption: string): string[] {
  const [, scope, ...names] = key.split('|')
  const address = names.at(-1) ?? ''
  // A long or odd one stands as a digest.
  if (!address.includes('@')) return [`sluice suppress list${dirOption}`]
  const whose = scope === 't' ? ` --tenant ${shellQuoted(names[0]!)}` : ''
  return [
    `sluice suppress check ${shellQuoted(address)}${whose}${dirOption}   (why, since when, and until when)`,
    `to write there again: sluice suppress remove ${shellQuoted(address)}${whose}${dirOption}`,
  ]
}

/** Who is paused or slowed down is let go by people, not by the configuration. The reference of a pause is the id of its order. */
function orderAdvice({ reason, ref }: RecordedDecision, dirOption: string): string[] {
  const isPaused = reason === 'paused'
  const id = isPaused ? shellQuoted(ref) : 'ID'
  return [
    `sluice review list${dirOption}   (who has ordered it, and why)`,
    `to let it go: sluice review release ${id}${dirOption}${isPaused ? '' : '   (the ID that the list says)'}`,
  ]
}

const MAILBOMB_ADVICE: readonly string[] = [
  'honest servers come back by themselves, and correspondents of this recipient are not held',
  'to let more strangers write to one mailbox: raise mailbomb.strangers in config/sluice.yaml',
]

function scoreAdvice({ ip }: DecisionRecord): string[] {
  return [
    'the line "score" tells what spoke against it; weights and thresholds stand under score in config/sluice.yaml',
    `to judge it by nothing at all: add ${ip} to trusted in config/sluice.yaml`,
  ]
}

function dnsblAdvice({ ip }: DecisionRecord, dirOption: string): string[] {
  return [
    `sluice dnsbl test ${ip}${dirOption} tells what every list says now`,
    `to take its mail all the same: add ${ip} to dnsbl.allow in config/sluice.yaml`,
  ]
}

function rdnsAdvice({ ip }: DecisionRecord): string[] {
  return [
    `whoever runs ${ip} must give it a reverse name; to take mail without: rdns: {missing_ipv6: signal}`,
    `to judge it by nothing at all: add ${ip} to trusted in config/sluice.yaml`,
  ]
}

function greylistAdvice({ ip, sender }: DecisionRecord): string[] {
  const domain = sender?.includes('@') ? sender.slice(sender.lastIndexOf('@') + 1) : undefined
  return [
    'it is taken when it comes back after the delay: honest servers do so by themselves',
    `to take ${domain ?? ip} at once: add it to greylist.allow in config/sluice.yaml`,
  ]
}

function sessionAdvice(bound: string, { ip }: DecisionRecord): string[] {
  return [
    `to allow every session more: raise session.${bound} in config/sluice.yaml`,
    `to lift it for this client: add ${ip} to trusted in config/sluice.yaml`,
  ]
}

/**
 * The entry that reaches this key: what its rule counts by, as the record has it. A network always does, whatever the
 * rule is per; it is all there is when the rule is unknown and the key names no party of the envelope.
 */
function overrideEntry(record: DecisionRecord, { key }: RecordedDecision, rule: LimitRule | undefined): string {
  const values = key.split('|').slice(1)
  const { account, sender, recipient, ip } = record
  const per = rule?.per ?? []
  if (account !== undefined && (per.includes('account') || per.includes('tenant') || values.includes(account))) {
    return account
  }
  if (sender !== undefined && sender !== '<>' && (per.includes('sender') || values.includes(sender))) return sender
  if (recipient !== undefined && (per.includes('recipient') || values.includes(recipient))) return recipient
  const domain = values.find((value) => /^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]+$/.test(value))
  return domain ?? ip
}

/** Twice the limit, as the config writes it; undefined where the decision does not tell the rule's own limit. */
function moreText(
  { key, rule: name, limit, windowMs }: RecordedDecision,
  rule: LimitRule | undefined,
): string | undefined {
  // `client/26|…`: a wider network, which is held to a multiple of the limit.
  if (!key.startsWith(`${name}|`)) return undefined
  switch (rule?.limit.kind) {
    case 'concurrency':
      return `{concurrency: ${limit * 2}}`
    case 'rate':
      return `{rate: ${perTime(2000 / rule.limit.intervalMs, 1000)}, burst: ${rule.limit.burst * 2}}`
    case 'windows':
    case undefined:
      return windowMs === 0 ? `{concurrency: ${limit * 2}}` : perTime(limit * 2, windowMs)
  }
}

/** A rate below one a second is told by the hour, so that it stays a whole number. */
function perTime(amount: number, windowMs: number): string {
  const unit = { 1000: 's', 60_000: 'min', 3_600_000: 'h', 86_400_000: 'd' }[windowMs] ?? `${windowMs / 1000}s`
  return `${Math.ceil(amount)}/${unit}`
}

export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

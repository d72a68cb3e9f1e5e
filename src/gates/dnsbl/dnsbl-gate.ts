import type { Exemption, Finding, Rule } from '../../policy/decision'
import type { Gate } from '../../policy/gate'
import { type Mode, isEnforced } from '../../policy/mode'
import { type Signal, addUp, signalsOf } from '../../policy/signal'
import type { Subject } from '../../policy/subject'
import { findOverride, isEmpty } from '../limits/override'
import type { Dimension, Overrides } from '../limits/rule'
import { knownBecause } from '../known'

/** What the sum of DNS lists leads to. */
export interface DnsblPolicy {
  readonly mode: Mode
  /** From how many points on recipients are deferred; undefined: never. */
  readonly defer: number | undefined
  readonly reject: number | undefined
  /** Who is taken whatever lists say: senders, recipients and networks. */
  readonly allow: Overrides
  /** Labels of the lists of which one listing is enough, whatever its points: its client is deferred, and plugin jail bans it. */
  readonly banning: ReadonlySet<string>
}

export const DNSBL_PLUGIN = 'dnsbl'
const ALLOWED_BY: readonly Dimension[] = ['sender', 'recipient']
const MOST_NAMED = 3
const SILENT = '=silent'

/** Name of the signal that a list of the good has not been heard, which would have lowered the sum. */
export function silentName(label: string): string {
  return `${label}${SILENT}`
}

/** A stranger whom DNS lists name is deferred or refused at RCPT, by the sum of the lists' points. */
export function dnsblGate({ mode, defer, reject, allow, banning }: DnsblPolicy): Gate {
  if (mode.kind === 'off') return { plugin: DNSBL_PLUGIN, stages: [], ask: () => undefined }
  const allowsSome = !isEmpty(allow)
  const exempts = (subject: Subject) => knownBecause(subject) ?? (allowsSome ? allowedBy(allow, subject) : undefined)
  return {
    plugin: DNSBL_PLUGIN,
    stages: ['rcpt'],
    ask: (subject: Subject, _asks, exemptions: Exemption[]) => {
      // Who is on no list has no need of an exemption.
      const because = listingsOf(subject).length > 0 ? exempts(subject) : undefined
      if (because !== undefined) exemptions.push({ rule: DNSBL_PLUGIN, because })
    },
    inspect: (subject, findings, notes) => {
      const listings = listingsOf(subject)
      if (listings.length === 0 || exempts(subject) !== undefined) return
      // Of plugin score, when that is listed; else this is all that was added up.
      notes.score ??= addUp(subject.signals)
      const { total } = addUp(listings)
      if (reject !== undefined && total >= reject) {
        // What is refused for good must not depend on a list of the good that answers again in a while.
        const remedy = listings.some(({ name }) => name.endsWith(SILENT)) ? 'defer' : 'reject'
        findings.push(finding(subject, mode, remedy, total, reject))
      } else if (defer !== undefined && total >= defer) findings.push(finding(subject, mode, 'defer', total, defer))
      // Unless lists of the good outweigh it.
      else if (total > 0 && listings.some(({ name }) => banning.has(listOf(name)))) {
        findings.push(finding(subject, mode, 'defer', total, total))
      }
    },
  }
}

function listingsOf({ signals }: Subject): Signal[] {
  return signals.length === 0 ? [] : signalsOf(signals, DNSBL_PLUGIN)
}

function allowedBy(allow: Overrides, subject: Subject): string | undefined {
  const found = findOverride(allow, ALLOWED_BY, subject)
  return found && `dnsbl.allow ${found.entry}`
}

function finding(subject: Subject, mode: Mode, remedy: 'defer' | 'reject', total: number, limit: number): Finding {
  const rule: Rule = {
    name: DNSBL_PLUGIN,
    plugin: DNSBL_PLUGIN,
    mode,
    remedy,
    onError: 'accept',
    text: textFor(subject),
  }
  return {
    rule,
    key: `dnsbl|${subject.client.ip}`,
    enforced: isEnforced(mode, subject.client.ip),
    count: total,
    limit,
    windowMs: 0,
    retryAfterMs: 0,
    reason: 'dnsbl',
  }
}

/** Names the lists, so that who is listed wrongly knows where to complain. */
function textFor(subject: Subject): string {
  const against = listingsOf(subject)
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight)
  const labels = [...new Set(against.map(({ name }) => listOf(name)))]
  return `Listed by ${labels.slice(0, MOST_NAMED).join(', ')}`
}

/** `zen.spamhaus.org=127.0.0.4` → `zen.spamhaus.org` */
function listOf(name: string): string {
  const end = name.indexOf('=')
  return end < 0 ? name : name.slice(0, end)
}

import type { Finding, Rule } from '../../policy/decision'
import type { Gate } from '../../policy/gate'
import { type Mode, isEnforced } from '../../policy/mode'
import { referenceOf } from '../../policy/reference'
import type { Subject } from '../../policy/subject'
import { type Ban, isAutomatic } from '../../policy/ban'
import type { JailPolicy } from './jail-policy'

export const JAIL_PLUGIN = 'jail'
const ENFORCE: Mode = { kind: 'enforce' }

/** Refuses who is banned, from what this process knows already: no store is asked. */
export function jailGate(policy: Pick<JailPolicy, 'mode' | 'remedy'>): Gate {
  if (policy.mode.kind === 'off') return { plugin: JAIL_PLUGIN, stages: [], ask: () => undefined }
  const find = banFinder(policy)
  return {
    plugin: JAIL_PLUGIN,
    stages: ['connect', 'mail'],
    ask: () => undefined,
    inspect: (subject, findings) => {
      if (subject.ban) findings.push(find(subject.ban, subject))
    },
  }
}

/** What a ban means to a client: one finding, with one reference, wherever the client reads of it. */
export function banFinder({ mode, remedy }: Pick<JailPolicy, 'mode' | 'remedy'>) {
  const ruleFor = (ruleMode: Mode, text: string, ends: boolean): Rule => ({
    name: 'ban',
    plugin: JAIL_PLUGIN,
    mode: ruleMode,
    remedy,
    onError: 'accept',
    text,
    ends,
  })
  const rules = (ruleMode: Mode) => ({
    network: ruleFor(ruleMode, 'Your address is banned', true),
    account: ruleFor(ruleMode, 'Your account is banned', false),
    domain: ruleFor(ruleMode, 'This sender domain is banned', false),
  })
  const automatic = rules(mode)
  // What an operator has typed is not on trial.
  const explicit = rules(ENFORCE)
  return (ban: Ban, whom: Pick<Subject, 'at' | 'client'>) =>
    findingOf(ban, (isAutomatic(ban) ? automatic : explicit)[ban.target.kind], whom)
}

function findingOf(ban: Ban, rule: Rule, { at, client }: Pick<Subject, 'at' | 'client'>) {
  return {
    rule,
    key: `ban|${ban.target.text}`,
    enforced: isEnforced(rule.mode, client.ip),
    count: 0,
    limit: 0,
    windowMs: ban.until - ban.since,
    retryAfterMs: Math.max(1, ban.until - at),
    reason: 'ban',
    // One for all refusals: of a client that comes again and again only some are recorded.
    ref: referenceOf(`${ban.target.text} ${ban.since}`),
  } satisfies Finding
}

import { parseIp } from '../../../src/keys/address'
import { foldRecipient, foldSender } from '../../../src/keys/mailbox'
import type { Decision, Outcome, Rule } from '../../../src/policy/decision'
import { NOTHING_DONE, type Subject } from '../../../src/policy/subject'
import type { AttemptEvent, JudgedEvent } from '../../../src/telemetry/events'

/** 2026-08-04 13:22:05 UTC */
export const AT = Date.UTC(2026, 7, 4, 13, 22, 5)

export function subject(changes: Partial<Subject> = {}): Subject {
  return {
    stage: 'mail',
    at: AT,
    client: { ip: '192.0.2.1', address: parseIp('192.0.2.1')!, asn: undefined, trusted: false },
    session: { leaseId: 'abcdefghijkl', startedAt: AT - 1000, ...NOTHING_DONE },
    direction: 'inbound',
    id: '0E1F2A3B-0000-4000-8000-000000000001.1',
    helo: 'mx.example.com',
    account: undefined,
    tenant: undefined,
    sender: foldSender('list', 'example.com'),
    recipient: undefined,
    spfDomain: undefined,
    spf: undefined,
    repeated: false,
    sizeBytes: 0,
    signals: [],
    ban: undefined,
    limitFactor: 1,
    suppressed: undefined,
    orders: [],
    held: false,
    load: 0,
    familiar: false,
    ...changes,
  }
}

export const recipient = foldRecipient('you', 'example.net')

export function rule(changes: Partial<Rule> = {}): Rule {
  return {
    name: 'sender',
    plugin: 'messages',
    mode: { kind: 'enforce' },
    remedy: 'defer',
    onError: 'accept',
    text: 'Too many messages from this sender',
    ...changes,
  }
}

export function decision(changes: Partial<Decision> = {}): Decision {
  return {
    rule: rule(),
    key: 'sender|list@example.com',
    enforced: true,
    count: 5,
    limit: 5,
    windowMs: 60_000,
    retryAfterMs: 36_500,
    reason: 'limit',
    action: 'defer',
    ref: '7KQ2XYZ',
    stage: 'mail',
    at: AT,
    ...changes,
  }
}

export const shadowed = decision({ action: 'accept', enforced: false, rule: rule({ mode: { kind: 'shadow' } }) })

export function outcome(changes: Partial<Outcome> = {}): Outcome {
  return {
    subject: subject(),
    decisions: [],
    answers: new Map(),
    exemptions: [],
    leases: [],
    degraded: false,
    score: undefined,
    merits: [],
    lessons: [],
    ...changes,
  }
}

export function judged(changes: Partial<Outcome> = {}, tookMs = 0.07): JudgedEvent {
  return { kind: 'judged', outcome: outcome(changes), tookMs }
}

/** Gmail has told a message for two to come back later. */
export function attempt(changes: Partial<AttemptEvent> = {}): AttemptEvent {
  return {
    kind: 'attempt',
    at: AT,
    id: '0E1F2A3B-0000-4000-8000-000000000001.1.2',
    file: '1785849725000_aBcDeF',
    path: 'egress|default|google',
    source: 'default',
    provider: 'google',
    mailClass: 'system',
    tenant: 'example.com',
    sender: 'list@example.com',
    recipients: ['you@example.net', 'they@example.net'],
    domain: 'example.net',
    delivered: 0,
    deferred: 2,
    bounced: 0,
    attempts: 3,
    ageMs: 2_520_000,
    waitedMs: 12_040,
    tookMs: 1312,
    retryAt: AT + 300_000,
    host: 'gmail-smtp-in.l.google.example',
    ip: '198.51.100.26',
    session: 'reused',
    tls: 'TLSv1.3',
    verified: true,
    phasesMs: { mail: 40, rcpt: 81, data: 1190 },
    phase: 'data',
    code: 421,
    enhanced: '4.7.28',
    text: 'Gmail has detected an unusual rate\nof unsolicited mail',
    failure: undefined,
    ...{ about: 'rate', scope: 'source', rule: 'google_rate_ip' },
    ...changes,
  }
}

/** The same, taken. */
export const delivered: Partial<AttemptEvent> = {
  ...{ delivered: 2, deferred: 0, retryAt: undefined },
  ...{ phase: 'dot', code: 250, enhanced: '2.0.0', text: 'OK' },
  ...{ about: undefined, scope: undefined, rule: undefined },
}

/** Nobody answered. */
export const unreached: Partial<AttemptEvent> = {
  ...{ session: undefined, tls: undefined, verified: false, phasesMs: { connect: 30_000 } },
  ...{ phase: 'connect', code: 0, enhanced: undefined, text: 'connection timed out', failure: 'timeout' },
  ...{ about: undefined, scope: undefined, rule: undefined },
}

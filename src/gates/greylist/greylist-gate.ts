import { keyText } from '../../keys/key'
import type { Rule } from '../../policy/decision'
import { type Gate, type GateAsk, meritIndex } from '../../policy/gate'
import { type Mode, isEnforced } from '../../policy/mode'
import { addUp, signalsOf } from '../../policy/signal'
import type { Subject } from '../../policy/subject'
import type { Answer, Ask, MeritAsk } from '../../store/store'
import { wroteAsk, writesAsk } from '../correspondents/correspondents'
import { findOverride, isEmpty } from '../limits/override'
import { knownBecause } from '../known'
import { type Dimension, NETWORK_TIER, type Overrides, tierText } from '../limits/rule'
import { type Memory, provenAsks } from '../reputation/merits'
import { type ScoreWeights, scoreOf } from '../score/score-gate'

/** Greylisting (RFC 6647): a stranger's first message for a recipient is deferred, and taken when he comes back. */
export interface Greylist {
  readonly mode: Mode
  readonly delayMs: number
  /** How long after the first try a client may come back. */
  readonly retryMs: number
  /** How long a triplet is known after its last message, and a client after its last. */
  readonly passMs: number
  /** How long it is known whom one of our users has written to. */
  readonly correspondentsMs: number
  /** Who is taken at once: senders, recipients and networks. */
  readonly allow: Overrides
  /** Only strangers with at least so many points are greylisted; undefined: all. */
  readonly fromScore: number | undefined
  /** A client for whom DNS lists speak with at most so many points (they are below 0) is taken at once. */
  readonly vouched: number
  /** Points of the score; memory of the reputation that proves a partner. */
  readonly weights: ScoreWeights
  readonly reputation: Memory
}

export const GREYLIST_PLUGIN = 'greylist'
const ALLOWED_BY: readonly Dimension[] = ['sender', 'recipient']
/** A client whose new triplets have passed so often, at least an hour apart, does come back: it is asked no more. */
/** New triplets of a client that must come back before it is taken at once. */
export const PASSES = 5
const PASSES_APART_MS = 3_600_000

/**
 * The key is client, sender and recipient. The client is the domain that SPF has proved, since large senders retry from
 * whichever of their addresses is free; else its network, /24 or /64. Tags are folded away, as everywhere.
 */
export function greylistGate(greylist: Greylist): Gate {
  const { mode, delayMs, retryMs, passMs, correspondentsMs, allow } = greylist
  if (mode.kind === 'off') return { plugin: GREYLIST_PLUGIN, stages: [], ask: () => undefined }
  const allowsSome = !isEmpty(allow)
  const rule: Rule = {
    name: 'greylist',
    plugin: GREYLIST_PLUGIN,
    mode,
    remedy: 'defer',
    onError: 'accept',
    text: 'Greylisted, as you are new to this recipient',
  }
  return {
    plugin: GREYLIST_PLUGIN,
    stages: ['rcpt_ok'],
    ask: (subject, asks, exemptions) => {
      const writes = writesAsk(subject, correspondentsMs)
      if (writes) meritIndex(asks, writes)
      const because = exemptBecause(subject, greylist) ?? (allowsSome ? allowedBy(allow, subject) : undefined)
      if (because !== undefined) {
        exemptions.push({ rule: rule.name, because })
        return
      }
      const origin = originOf(subject)
      const unless = excuses(subject, greylist, origin, rule).map((excuse) => meritIndex(asks, excuse))
      const key = keyText('greylist', [origin, subject.sender?.address ?? '<>', subject.recipient?.address ?? ''])
      const ask: Ask = { op: 'triplet', key, enforced: isEnforced(mode, key), delayMs, retryMs, passMs, unless }
      asks.push({ rule, ask, lesson: (answer) => lessonOf(answer, origin, passMs) })
    },
  }
}

function exemptBecause(subject: Subject, { fromScore, weights, vouched }: Greylist): string | undefined {
  const known = knownBecause(subject)
  if (known !== undefined) return known
  if (addUp(signalsOf(subject.signals, 'dnsbl')).total <= vouched) return 'DNS lists vouch for it'
  if (fromScore === undefined || (scoreOf(subject, weights)?.total ?? 0) >= fromScore) return undefined
  return 'too little speaks against it'
}

function allowedBy(allow: Overrides, subject: Subject): string | undefined {
  const found = findOverride(allow, ALLOWED_BY, subject)
  return found && `greylist.allow ${found.entry}`
}

/** What the store may know that makes a stranger none. */
function excuses(
  subject: Subject,
  { passMs, correspondentsMs, reputation }: Greylist,
  origin: string,
  rule: Rule,
): GateAsk[] {
  const passed: GateAsk = { rule, ask: passesAsk(origin, passMs), because: 'its new messages have always come back' }
  const wrote = wroteAsk(subject, correspondentsMs)
  return [passed, ...(wrote ? [wrote] : []), ...provenAsks(subject, reputation)]
}

/** How often new triplets of a client have passed; with a sample: once more. */
export function passesAsk(origin: string, keepMs: number, sample?: 1): MeritAsk {
  return {
    op: 'merit',
    key: keyText('greylist_client', [origin]),
    enforced: false,
    leastSamples: PASSES,
    leastMean: 1,
    halfLifeMs: 0,
    most: PASSES,
    apartMs: PASSES_APART_MS,
    keepMs,
    ...(sample === undefined ? {} : { sample }),
  }
}

/** A new triplet that passes proves that its client comes back; an excused one has kept its word too. */
function lessonOf({ ok, count, excused }: Answer, origin: string, passMs: number): Ask | undefined {
  return ok && count === 0 && excused === undefined ? passesAsk(origin, passMs, 1) : undefined
}

function originOf({ client, spfDomain }: Subject): string {
  return spfDomain ?? tierText(client.address, NETWORK_TIER)
}

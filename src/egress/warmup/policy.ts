import type { Mode } from '../../policy/mode'
import type { Calendar } from './calendar'
import type { Ladder } from './ladder'

/** What `egress.warmup` of the configuration says. Shares from 0 to 1. */
export interface WarmupPolicy {
  readonly mode: Mode
  readonly calendar: Calendar
  /** Undefined: a day's mail may go at once. */
  readonly spread: Spread | undefined
  readonly judgement: JudgementPolicy
  readonly rest: RestPolicy
  /** Of the sources that warm up, by name. */
  readonly sources: ReadonlyMap<string, SourceWarmup>
  /** Of all mail of a tenant, from its first; in a mode of its own. Undefined: new tenants send as everybody. */
  readonly tenants: { readonly mode: Mode; readonly ladder: Ladder } | undefined
}

export interface SourceWarmup {
  readonly ladder: Ladder
  /** Names of providers, and {@link OTHER}; undefined: all. The rest is warm. */
  readonly groups: readonly string[] | undefined
}

/** Hosts of nobody in `providers.yaml`. */
export const OTHER = 'other'

export interface Spread {
  /** Of the day's quota: what may go at once, after a while without mail. */
  readonly ahead: number
  /** What was not sent earlier in the day goes at most so many times as fast as if the day had begun with it. */
  readonly catchUp: number
}

/** When a day was good enough for more. */
export interface JudgementPolicy {
  /** So much of the quota must have been sent. */
  readonly used: number
  /** More than this must have been taken by those it was offered to. */
  readonly delivered: number
  readonly bounces: number
  readonly deferrals: number
  readonly complaints: number
  /** A step down takes at least so many answers. */
  readonly least: number
}

/** How a source cools that hardly sends. Days. */
export interface RestPolicy {
  /** A day with less than this part of the quota is one of rest. */
  readonly below: number
  /** From then on each further day of rest is a step down. */
  readonly after: number
  /** After so many it begins anew. */
  readonly over: number
}

/** Whose warm-up it is: that of a source with a provider, or that of a tenant with all. */
export type WarmupId = { readonly source: string; readonly group: string } | { readonly tenant: string }

/** The ladder of somebody; undefined: it does not warm up. */
export function ladderOf({ sources, tenants }: WarmupPolicy, id: WarmupId): Ladder | undefined {
  if ('tenant' in id) return tenants?.ladder
  const source = sources.get(id.source)
  if (!source || source.groups?.includes(id.group) === false) return undefined
  return source.ladder
}

const OFF: Mode = { kind: 'off' }

export function modeOf({ mode, tenants }: WarmupPolicy, id: WarmupId): Mode {
  return 'tenant' in id ? (tenants?.mode ?? OFF) : mode
}

import type { Counts } from './controller-evidence'
import { type ControllerPolicy, fasterFactor, slowerFactor } from './controller-policy'

/** How a path stands by what the controller has done so far. */
export interface Standing {
  /** 1 where it goes at full speed. */
  readonly factor: number
  /** Suspensions in a row so far. */
  readonly suspensions: number
  /** A suspension has ended, and the path is tried; this is its factor when that goes well. */
  readonly trialFor: number | undefined
  /** When the last step was made; undefined at full speed. */
  readonly since: number | undefined
}

/** A step to take. `hold`: the path stays as it is, for longer. */
export type Step = { readonly evidence: string } & (
  | { readonly kind: 'slower' | 'faster' | 'hold'; readonly factor: number }
  /** `after` is the factor when the trial that follows goes well. */
  | { readonly kind: 'suspend'; readonly forMs: number; readonly after: number }
  | { readonly kind: 'passed'; readonly factor: number }
)

export const FULL_SPEED: Standing = { factor: 1, suspensions: 0, trialFor: undefined, since: undefined }

/** What is to be done about a path, by what was seen since the last step; undefined: nothing. */
export function decide(policy: ControllerPolicy, standing: Standing, counts: Counts, now: number): Step | undefined {
  if (standing.trialFor !== undefined) return endTrial(policy, standing, counts, standing.trialFor)
  return (
    suspend(policy, standing, counts) ??
    slowDown(policy, standing, counts) ??
    speedUp(policy, standing, counts, now) ??
    hold(policy, standing, counts, now)
  )
}

function endTrial({ trial, ...policy }: ControllerPolicy, standing: Standing, counts: Counts, factor: number) {
  const { delivered, soft } = counts
  const said = `trial after suspension: ${delivered} delivered, ${soft} of ${counts.attempts} not${lastOf(counts)}`
  if (delivered >= trial.messages && delivered > soft) {
    // Below full speed for once, so that what comes soon after counts as the same trouble.
    const after = Math.min(factor, 1 - policy.recovery.step)
    return { kind: 'passed', factor: after, evidence: `${said}; speed ${percent(after)}` } as const
  }
  if (soft < trial.messages) return undefined
  return suspension(policy, standing, factor, said)
}

function suspend(policy: ControllerPolicy, standing: Standing, counts: Counts): Step | undefined {
  const { throttles, floor, outage } = policy
  const failed = counts.deferred + counts.unreachable
  const after = slowerFactor(standing.factor, policy)
  if (counts.attempts >= outage.least && failed >= outage.share * counts.attempts) {
    return suspension(policy, standing, after, softOf(counts))
  }
  if (standing.factor > floor || counts.throttled < throttles) return undefined
  return suspension(policy, standing, after, `${throttledOf(counts)}, at the least speed`)
}

function suspension(
  { suspend: { firstMs, longestMs } }: Pick<ControllerPolicy, 'suspend'>,
  { suspensions }: Standing,
  after: number,
  seen: string,
): Step {
  // Doubling on would leave the range of numbers.
  const forMs = Math.min(longestMs, firstMs * 2 ** Math.min(suspensions, 40))
  return { kind: 'suspend', forMs, after, evidence: `${seen}; suspended for ${spanOf(forMs)}` }
}

function slowDown(policy: ControllerPolicy, { factor }: Standing, counts: Counts): Step | undefined {
  const slower = slowerFactor(factor, policy)
  if (slower >= factor) return undefined
  const change = `speed ${percent(factor)} → ${percent(slower)}`
  if (counts.throttled >= policy.throttles) {
    return { kind: 'slower', factor: slower, evidence: `${throttledOf(counts)}; ${change}` }
  }
  const { share, least } = policy.softBounces
  if (counts.attempts < least || counts.soft < share * counts.attempts) return undefined
  return { kind: 'slower', factor: slower, evidence: `${softOf(counts)}; ${change}` }
}

function speedUp(policy: ControllerPolicy, standing: Standing, counts: Counts, now: number): Step | undefined {
  const { factor, since } = standing
  if (since === undefined || now - since < policy.recovery.everyMs) return undefined
  if (counts.delivered === 0 || !isQuiet(policy, counts)) return undefined
  const faster = fasterFactor(factor, policy)
  const seen = `${counts.delivered} delivered in ${spanOf(counts.spanMs)}, none throttled, ${counts.soft} put off or without an answer`
  return { kind: 'faster', factor: faster, evidence: `${seen}; speed ${percent(factor)} → ${percent(faster)}` }
}

/** Half of what would slow a path down: what lies between changes nothing. */
function isQuiet({ softBounces }: ControllerPolicy, { throttled, soft, attempts }: Counts): boolean {
  const { share, least } = softBounces
  return throttled === 0 && soft <= (share / 2) * Math.max(attempts, least)
}

/** A path that is in use must not come to full speed by its action running out. */
function hold(policy: ControllerPolicy, standing: Standing, counts: Counts, now: number): Step | undefined {
  const { factor, since } = standing
  if (since === undefined || counts.attempts === 0 || now - since < policy.keepMs / 2) return undefined
  return { kind: 'hold', factor, evidence: `${softOf(counts)}; speed stays ${percent(factor)}` }
}

function throttledOf(counts: Counts): string {
  const share = percent(counts.throttled / counts.attempts)
  return `${counts.throttled} of ${counts.attempts} answers in ${spanOf(counts.spanMs)} were throttling (${share})${lastOf(counts)}`
}

function softOf(counts: Counts): string {
  const { soft, attempts, throttled, deferred, unreachable, spanMs } = counts
  const parts = `${throttled} throttled, ${deferred} put off, ${unreachable} without an answer`
  return `${soft} of ${attempts} attempts in ${spanOf(spanMs)} failed for now (${percent(soft / attempts)}: ${parts})${lastOf(counts)}`
}

function lastOf({ last }: Counts): string {
  return last === '' ? '' : `, last "${last}"`
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`
}

function spanOf(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000))
  return seconds < 60 ? `${seconds} s` : `${Number((seconds / 60).toFixed(1))} min`
}

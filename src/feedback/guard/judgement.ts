import type { Figures } from './figures'
import type { GuardPolicy, Thresholds } from './guard-policy'

/** What speaks against a sender. */
export const FAULTS = ['hard', 'soft', 'complaints'] as const
export type Fault = (typeof FAULTS)[number]

/** What becomes of a sender. `recover`: he is not slowed down any more. */
export interface Step {
  readonly kind: 'slow' | 'pause' | 'recover'
  /** What the most is wrong with. */
  readonly fault: Fault
  /** In figures: `34 of 410 recipients bounced (8.3 %) in 24 h`. */
  readonly evidence: string
}

export interface SenderStanding {
  readonly isSlowed: boolean
  readonly isPaused: boolean
}

/** By chance anybody has so few. */
const LEAST_FAULTS = 3
/** Who is slowed down goes on as ever when all is below this part of what slows down. */
const RECOVERED = 0.75

interface Share {
  readonly fault: Fault
  readonly share: number
  readonly thresholds: Thresholds
  /** Enough recipients, and enough faults. */
  readonly counts: boolean
  readonly text: string
}

/** What is to be done about a sender; undefined: nothing. */
export function judgeSender(policy: GuardPolicy, figures: Figures, standing: SenderStanding): Step | undefined {
  if (standing.isPaused) return undefined
  const shares = sharesOf(policy, figures)
  const over = (level: keyof Thresholds) => {
    const found = shares.filter(({ counts, share, thresholds }) => counts && share > thresholds[level])
    return found.sort((a, b) => b.share / b.thresholds[level] - a.share / a.thresholds[level])[0]
  }
  const bad = over('pause')
  if (bad) return { kind: 'pause', fault: bad.fault, evidence: bad.text }
  if (!standing.isSlowed) {
    const worse = over('slow')
    return worse && { kind: 'slow', fault: worse.fault, evidence: worse.text }
  }
  if (shares.some(({ counts, share, thresholds }) => counts && share > thresholds.slow * RECOVERED)) return undefined
  const [worst] = [...shares].sort((a, b) => b.share / b.thresholds.slow - a.share / a.thresholds.slow)
  return { kind: 'recover', fault: worst!.fault, evidence: worst!.text }
}

function sharesOf(policy: GuardPolicy, figures: Figures): Share[] {
  const { begun, soft, ended, hard, delivered, complaints } = figures
  const { windowMs, least } = policy
  const share = (fault: Fault, count: number, of: number, leastOf: number, thresholds: Thresholds, text: string) => {
    const value = of === 0 ? 0 : Math.min(1, count / of)
    const counts = of >= leastOf && count >= LEAST_FAULTS
    return { fault, share: value, thresholds, counts, text: `${count} of ${of} recipients ${text}` }
  }
  const time = sayTime(windowMs)
  return [
    share('hard', hard, ended, least, policy.hard, `bounced (${percent(hard, ended)}) in ${time}`),
    share(
      'soft',
      soft,
      begun,
      least,
      policy.soft,
      `bounced softly or were put off (${percent(soft, begun)}) in ${time}`,
    ),
    share(
      'complaints',
      complaints,
      delivered,
      policy.complaints.least,
      policy.complaints,
      `complained (${percent(complaints, delivered)}) in ${sayTime(policy.complaints.windowMs)}`,
    ),
  ]
}

/** `8.3 %`; two digits behind the point where there is little. */
function percent(count: number, of: number): string {
  const value = of === 0 ? 0 : Math.min(100, (count / of) * 100)
  return `${Number(value.toFixed(value < 1 ? 2 : 1))} %`
}

function sayTime(ms: number): string {
  const hours = ms / 3_600_000
  if (hours > 48) return `${Number((hours / 24).toFixed(1))} d`
  return hours >= 1 ? `${Number(hours.toFixed(1))} h` : `${Number((ms / 60_000).toFixed(1))} min`
}

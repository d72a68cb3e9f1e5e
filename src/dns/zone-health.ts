/** `lying`: lists what it must not. `dead`: no answer, or not what it must list. `refused`: will not answer us. `failing`: too many questions fail. */
export type Illness = 'lying' | 'dead' | 'refused' | 'failing'
/** `unknown` until the first probe has ended. Only a zone that is `well` is asked and believed. */
export type ZoneState = 'unknown' | 'well' | Illness

/** A zone fell ill, is ill in another way, or is well again. */
export interface HealthChange {
  readonly label: string
  readonly from: ZoneState
  readonly to: ZoneState
  /** What was seen, in words. */
  readonly why: string
}

const WINDOW_MS = 60_000
const SLICES = 6
const SLICE_MS = WINDOW_MS / SLICES
const FEWEST_QUESTIONS = 10
const FAILED_SHARE = 0.5
const FIRST_REST_MS = 30_000
const LONGEST_REST_MS = 600_000

/** How one zone does. Keeps count of questions that failed in the last minute, and how long to leave an ill zone alone. */
export class ZoneHealth {
  state: ZoneState = 'unknown'
  why = 'not yet probed'
  private restMs = FIRST_REST_MS
  private readonly slices = Array.from({ length: SLICES }, () => ({ slice: -1, asked: 0, failed: 0 }))

  constructor(private readonly clock: () => number) {}

  /** Counts a question. Returns true when too many have failed, at least 10 and half of those of the last minute. */
  count(failed: boolean): boolean {
    const slice = Math.floor(this.clock() / SLICE_MS)
    const current = this.slices[((slice % SLICES) + SLICES) % SLICES]!
    if (current.slice !== slice) Object.assign(current, { slice, asked: 0, failed: 0 })
    current.asked++
    if (failed) current.failed++
    const recent = this.slices.filter((one) => one.slice > slice - SLICES && one.slice <= slice)
    const asked = recent.reduce((sum, one) => sum + one.asked, 0)
    const failures = recent.reduce((sum, one) => sum + one.failed, 0)
    return failed && asked >= FEWEST_QUESTIONS && failures / asked >= FAILED_SHARE
  }

  /** Returns the state before when that is another one. A zone that is well again begins with a clean count. */
  become(state: Exclude<ZoneState, 'unknown'>, why: string): ZoneState | undefined {
    const before = this.state
    this.state = state
    this.why = why
    if (state === 'well') {
      this.restMs = FIRST_REST_MS
      if (before !== 'well') for (const slice of this.slices) slice.slice = -1
    }
    return before === state ? undefined : before
  }

  /** How long to leave it alone before the next probe: longer after each that failed, at most 10 minutes. */
  takeRestMs(): number {
    const rest = this.restMs
    this.restMs = Math.min(LONGEST_REST_MS, rest * 2)
    return rest
  }
}

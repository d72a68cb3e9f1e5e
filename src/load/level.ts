/** How the load level moves. Pure: pressures and times come from outside. */

/**
 * 0: normal. From 1: strangers wait, longer the nearer to 2. From 2: a share of the strangers is deferred, as large as
 * the fraction. From 3: all strangers, and a share of the known clients. 4: everybody.
 */
export const MOST_LEVEL = 4
/** Where the known clients begin to be turned away. */
export const KNOWN_LEVEL = 3

/** At or above it the level rises. */
const BUSY = 1
/** Below it the level may fall; between the two it stays. */
const CALM = 0.8
const HOLD_MS = 1000
/** Levels a second at most, while strangers only wait: an eighth of a second shows whether a peak is more than that. */
const RISE_WAITING = 8
/** The same while they are deferred: a queue that has formed takes long to go. */
const RISE = 20
/** The same above {@link KNOWN_LEVEL}: only when turning all strangers away has not helped for a while. */
const RISE_KNOWN = 0.1
/** A pressure so far beyond BUSY makes the level rise as fast as it may; half of it, a quarter as fast. */
const FULL_EXCESS = 0.2
/** Levels a second when nothing at all presses; nearer to CALM slower by the square, so as not to overshoot again. */
const FALL = 1.5
/** A process that stood still learns of one step, not of all that it missed. */
const LONGEST_STEP_MS = 250

/**
 * The level follows the worst pressure: it rises at once, as fast as the pressure is high, and falls only when the
 * pressure has stayed low. It is a controller, not a translation: an event loop is 100 % busy at twice its capacity and at
 * ten times, so how many have to be turned away is found by trying.
 */
export class LoadLevel {
  value = 0
  private at: number | undefined
  private calmSince: number | undefined

  /** Takes the worst pressure, 1 being its threshold, at a time in milliseconds, and returns the level. */
  update(pressure: number, at: number): number {
    const elapsedS = Math.min(Math.max(0, at - (this.at ?? at)), LONGEST_STEP_MS) / 1000
    this.at = at
    if (pressure >= CALM) this.calmSince = undefined
    if (pressure >= BUSY) this.rise(pressure, elapsedS)
    else if (this.value > KNOWN_LEVEL) this.value = Math.max(KNOWN_LEVEL, this.value - FALL * elapsedS)
    else if (pressure < CALM && this.value > 0) this.fall(pressure, elapsedS, at)
    return this.value
  }

  private rise(pressure: number, elapsedS: number): void {
    const force = Math.min(1, (pressure - BUSY) / FULL_EXCESS) ** 2
    if (this.value >= KNOWN_LEVEL) {
      this.value = Math.min(MOST_LEVEL, this.value + RISE_KNOWN * force * elapsedS)
    } else {
      const rise = this.value < 2 ? RISE_WAITING : RISE
      this.value = Math.min(KNOWN_LEVEL, Math.max(1, this.value + rise * force * elapsedS))
    }
  }

  private fall(pressure: number, elapsedS: number, at: number): void {
    this.calmSince ??= at
    if (at - this.calmSince < HOLD_MS) return
    this.value -= FALL * ((CALM - pressure) / CALM) ** 2 * elapsedS
    if (this.value < 1) this.value = 0
  }
}

/** How the load level moves. Pure: pressures and times come from outside. */

/**
 * 0: normal. From 1: strangers wait, longer the nearer to 2. From 2: a share of the strangers is deferred, as large as
 * the fraction. From 3: all strangers, and a share of the known clients. 4: everybody.
 */
export const MOST_LEVEL = 4
/** Where the known clients begin to be turned away. */
export const KNOWN_LEVEL = 3
/** As far as a pressure goes that turning clients away hardly relieves: most strangers, and no known client. */
export const BOUNDED_LEVEL = 2.9

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

  /**
   * Takes the worst pressure, 1 being its threshold, at a time in milliseconds, and returns the level.
   *
   * @param bounded the worst of those that raise the level to {@link BOUNDED_LEVEL} at most: they may last for hours
   */
  update(pressure: number, at: number, bounded = 0): number {
    const elapsedS = Math.min(Math.max(0, at - (this.at ?? at)), LONGEST_STEP_MS) / 1000
    this.at = at
    const worst = Math.max(pressure, bounded)
    if (worst >= CALM) this.calmSince = undefined
    if (pressure >= BUSY) this.rise(this.value < BOUNDED_LEVEL ? worst : pressure, elapsedS)
    else if (this.value > KNOWN_LEVEL) this.sink(KNOWN_LEVEL, elapsedS)
    else if (worst < CALM) this.fall(worst, elapsedS, at)
    else if (this.value > BOUNDED_LEVEL && pressure < CALM) this.sink(BOUNDED_LEVEL, elapsedS)
    else if (bounded >= BUSY && this.value < BOUNDED_LEVEL) this.riseTo(BOUNDED_LEVEL, bounded, elapsedS)
    return this.value
  }

  private rise(pressure: number, elapsedS: number): void {
    if (this.value < KNOWN_LEVEL) return this.riseTo(KNOWN_LEVEL, pressure, elapsedS)
    this.value = Math.min(MOST_LEVEL, this.value + RISE_KNOWN * forceOf(pressure) * elapsedS)
  }

  private riseTo(most: number, pressure: number, elapsedS: number): void {
    const rise = this.value < 2 ? RISE_WAITING : RISE
    this.value = Math.min(most, Math.max(1, this.value + rise * forceOf(pressure) * elapsedS))
  }

  private sink(least: number, elapsedS: number): void {
    this.value = Math.max(least, this.value - FALL * elapsedS)
  }

  private fall(pressure: number, elapsedS: number, at: number): void {
    if (this.value === 0) return
    this.calmSince ??= at
    if (at - this.calmSince < HOLD_MS) return
    this.value -= FALL * ((CALM - pressure) / CALM) ** 2 * elapsedS
    if (this.value < 1) this.value = 0
  }
}

/** From 0 at the threshold to 1. */
function forceOf(pressure: number): number {
  return Math.min(1, (pressure - BUSY) / FULL_EXCESS) ** 2
}

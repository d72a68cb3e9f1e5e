/** So many at once, then so many a second: a bucket that fills with the time of what is measured, whatever the clock does. */
export class Allowance {
  private left: number
  private filledAt: number | undefined

  constructor(
    private readonly burst: number,
    private readonly perSecond: number,
  ) {
    this.left = burst
  }

  /** False when there is none left at this time, in milliseconds. */
  take(at: number): boolean {
    const elapsedMs = Math.max(0, at - (this.filledAt ?? at))
    this.filledAt = at
    this.left = Math.min(this.burst, this.left + (elapsedMs * this.perSecond) / 1000)
    if (this.left < 1) return false
    this.left--
    return true
  }
}

/** What happened in each second. */
export class Trace {
  readonly attempts: number[] = []
  readonly refusals: number[] = []
  readonly deliveries: number[] = []
  /** Of each delivered message, in milliseconds. */
  readonly delaysMs: number[] = []
  /** Given up and sent back. */
  bounced = 0
  /** Neither delivered nor given up when it was over. */
  left = 0
  lastDeliveryMs = 0

  attempted(elapsedMs: number): void {
    count(this.attempts, elapsedMs)
  }

  refused(elapsedMs: number): void {
    count(this.refusals, elapsedMs)
  }

  delivered(elapsedMs: number, delayMs: number): void {
    count(this.deliveries, elapsedMs)
    this.delaysMs.push(delayMs)
    this.lastDeliveryMs = elapsedMs
  }
}

function count(seconds: number[], elapsedMs: number): void {
  const second = Math.floor(elapsedMs / 1000)
  while (seconds.length <= second) seconds.push(0)
  seconds[second]!++
}

/** Of the seconds from `from` up to `to`, which is not one of them. */
export function sumOf(seconds: readonly number[], from: number, to: number): number {
  let sum = 0
  for (let second = from; second < Math.min(to, seconds.length); second++) sum += seconds[second]!
  return sum
}

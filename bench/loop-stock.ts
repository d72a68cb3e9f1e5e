import { type Message, type Sender, type World, isTaken } from './loop-world'

export interface StockOptions {
  /** `concurrency_max` of Haraka's outbound.ini. */
  readonly concurrency: number
  /** Seconds until each further attempt (`temp_fail_intervals`); the failure after the last one is final. */
  readonly intervals: readonly number[]
}

/**
 * Without settings Haraka waits 64 s and then each time twice as long, up to 36 hours, and gives up at the 13th failure
 * (`set_temp_fail_intervals` of outbound/config.js with its maxTempFailures).
 */
export const STOCK_INTERVALS = Array.from({ length: 12 }, (_, index) => 2 ** (index + 6))

/** Haraka without plugins: one queue, so many deliveries at a time, each tried again by its own count of failures. */
export class StockSender implements Sender {
  private readonly queue: Message[] = []
  private next = 0
  private running = 0

  constructor(
    private readonly world: World,
    private readonly options: StockOptions,
  ) {}

  add(message: Message): void {
    this.queue.push(message)
    this.process()
  }

  private process(): void {
    while (this.running < this.options.concurrency && this.next < this.queue.length) {
      const message = this.queue[this.next++]!
      this.running++
      this.world.attempt(message, (reply) => {
        this.running--
        if (isTaken(reply)) this.world.end(message, 'delivered')
        else this.defer(message)
        this.process()
      })
    }
  }

  private defer(message: Message): void {
    const { intervals } = this.options
    const seconds = intervals[message.attempts - 1]
    if (seconds === undefined) this.world.end(message, 'bounced')
    else this.world.time.afterSeconds(seconds, () => this.add(message))
  }
}

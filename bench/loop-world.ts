import { HiddenProvider, type HiddenLimit } from './loop-provider'
import { Trace } from './loop-trace'
import { VirtualTime, seeded } from './loop-time'

/** When messages come: all at once, or so many a second for a while. */
export type Arrival =
  | { readonly kind: 'at once'; readonly messages: number }
  | { readonly kind: 'flow'; readonly perSecond: number; readonly forMs: number }

export interface Message {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly queuedAt: number
  attempts: number
}

/** A way to send. */
export interface Sender {
  /** Takes a message that has come. It ends with {@link World.end}. */
  add(message: Message): void
}

/** The way from a message to its answer and back takes a fifth more or less than this. */
const SPREAD = 0.2

export interface WorldOptions {
  readonly limit: HiddenLimit
  readonly arrival: Arrival
  readonly latencyMs: number
  readonly seed: number
}

/** What surrounds a sender: time, mail that comes, a provider, and somebody who writes down what happens. */
export class World {
  readonly time = new VirtualTime()
  readonly trace = new Trace()
  readonly random: () => number
  private readonly provider: HiddenProvider
  private unfinished = 0

  constructor(private readonly options: WorldOptions) {
    this.provider = new HiddenProvider(options.limit)
    this.random = seeded(options.seed)
  }

  /** Lets all mail come, and goes on until each message has ended, or for so long. */
  async live(sender: Sender, mostMs: number): Promise<Trace> {
    const { arrival } = this.options
    const count = arrival.kind === 'at once' ? arrival.messages : Math.round(arrival.perSecond * (arrival.forMs / 1000))
    this.unfinished = count
    const add = (index: number) => sender.add({ id: String(index), queuedAt: this.time.now(), attempts: 0 })
    if (arrival.kind === 'at once') for (let index = 0; index < count; index++) add(index)
    else this.flow(0, count, 1000 / arrival.perSecond, add)
    await this.time.run(() => this.unfinished === 0, mostMs)
    this.trace.left = this.unfinished
    return this.trace
  }

  /** Hands a message to the provider; `answered` gets what it says. */
  attempt(message: Message, answered: (reply: string) => void): void {
    const { latencyMs } = this.options
    message.attempts++
    this.trace.attempted(this.time.elapsed)
    const reply = this.provider.answer(this.time.elapsed)
    this.time.after(latencyMs * (1 + SPREAD * (2 * this.random() - 1)), () => {
      if (isTaken(reply)) this.provider.leave()
      else this.trace.refused(this.time.elapsed)
      answered(reply)
    })
  }

  /** A message is delivered, or given up. */
  end(message: Message, how: 'delivered' | 'bounced'): void {
    this.unfinished--
    if (how === 'bounced') this.trace.bounced++
    else this.trace.delivered(this.time.elapsed, this.time.now() - message.queuedAt)
  }

  private flow(index: number, count: number, everyMs: number, add: (index: number) => void): void {
    if (index === count) return
    add(index)
    this.time.after((index + 1) * everyMs - this.time.elapsed, () => this.flow(index + 1, count, everyMs, add))
  }
}

export function isTaken(reply: string): boolean {
  return reply.startsWith('250')
}

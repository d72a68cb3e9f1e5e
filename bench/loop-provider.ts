/** What a provider bears and does not tell. */
export interface HiddenLimit {
  /** Messages in any `windowMs`, by the time since the beginning; undefined: as many as connections bear. */
  readonly messagesAt: ((elapsedMs: number) => number) | undefined
  readonly windowMs: number
  /** Refused attempts fill the window too: who goes on too fast is never served. */
  readonly countsRefused: boolean
  /** At a time. */
  readonly connections: number
}

/** Who keeps to the limit exactly must not be throttled for the last digit of a number. */
const TOLERANCE_MS = 1
const TAKEN = '250 2.0.0 OK'
/** As Gmail words it. */
const TOO_FAST =
  '421-4.7.28 [192.0.2.1 15] Gmail has detected an unusual rate of unsolicited mail originating from your IP address.'
const TOO_MANY = '421 4.7.28 [192.0.2.1] Too many concurrent connections from your IP address.'

/** A provider that takes mail up to its hidden limit and throttles above it, by a sliding window. */
export class HiddenProvider {
  /** When what fills the window came, oldest first; those before `first` are forgotten. */
  private readonly counted: number[] = []
  private first = 0
  private open = 0

  constructor(private readonly limit: HiddenLimit) {}

  /** What a message is answered that comes now; who is answered 250 holds a connection until {@link leave}. */
  answer(elapsedMs: number): string {
    const { connections, messagesAt, windowMs, countsRefused } = this.limit
    if (this.open >= connections) return TOO_MANY
    const since = elapsedMs - windowMs + TOLERANCE_MS
    while (this.first < this.counted.length && this.counted[this.first]! <= since) this.first++
    const isFull = messagesAt !== undefined && this.counted.length - this.first >= messagesAt(elapsedMs)
    if (!isFull || countsRefused) this.counted.push(elapsedMs)
    if (isFull) return TOO_FAST
    this.open++
    return TAKEN
  }

  leave(): void {
    this.open--
  }
}

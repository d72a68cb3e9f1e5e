/** What became of an attempt. `deferred`: any other 4xx; `unreachable`: no answer; `bounced`: 5xx about a recipient. */
export const OUTCOME_KINDS = ['delivered', 'throttled', 'deferred', 'unreachable', 'bounced'] as const
export type OutcomeKind = (typeof OUTCOME_KINDS)[number]

/** What the world answered to an attempt on a path. */
export interface Outcome {
  readonly kind: OutcomeKind
  /** Milliseconds since 1970. */
  readonly at: number
  /** When the attempt began, as far as that is known: a timeout tells of minutes ago. */
  readonly begunAt?: number | undefined
  readonly code?: number | undefined
  readonly text?: string | undefined
}

/** Attempts of the window. */
export interface Counts extends Readonly<Record<OutcomeKind, number>> {
  readonly attempts: number
  /** Throttled, put off or without an answer: what speaks against a path. */
  readonly soft: number
  /** How long ago the first of them was, at most the window. */
  readonly spanMs: number
  /** The last reply that spoke against the path, or empty. */
  readonly last: string
}

const BUCKETS = 10
const MOST_LAST = 160
const KINDS = OUTCOME_KINDS.length

/** The outcomes of one path within a sliding window, forgotten by tenths of it. Of fixed size. */
export class Evidence {
  private readonly counts = new Uint32Array(BUCKETS * KINDS)
  /** Tenths of a window since 1970; the last one that was written to. */
  private tenth = -Infinity
  private begun: number | undefined
  private last = ''

  constructor(private readonly windowMs: number) {}

  note({ kind, at, code, text = '' }: Outcome): void {
    this.advance(at)
    this.begun ??= at
    this.counts[(this.tenth % BUCKETS) * KINDS + OUTCOME_KINDS.indexOf(kind)]!++
    if (kind !== 'delivered' && kind !== 'bounced') this.last = `${code ?? ''} ${text.slice(0, MOST_LAST)}`.trim()
  }

  /** What is known at a time. */
  at(now: number): Counts {
    this.advance(now)
    const sums = OUTCOME_KINDS.map((_, kind) => {
      let sum = 0
      for (let bucket = 0; bucket < BUCKETS; bucket++) sum += this.counts[bucket * KINDS + kind]!
      return sum
    })
    const [delivered = 0, throttled = 0, deferred = 0, unreachable = 0, bounced = 0] = sums
    const soft = throttled + deferred + unreachable
    const spanMs = Math.min(this.windowMs, now - (this.begun ?? now))
    const attempts = delivered + soft + bounced
    return { delivered, throttled, deferred, unreachable, bounced, attempts, soft, spanMs, last: this.last }
  }

  clear(): void {
    this.counts.fill(0)
    this.begun = undefined
    this.last = ''
  }

  /** A clock that is put back a little goes on in the tenth where it was; else all begins anew. */
  private advance(now: number): void {
    const tenth = Math.floor((now * BUCKETS) / this.windowMs)
    if (Math.abs(tenth - this.tenth) >= BUCKETS) {
      this.clear()
      this.tenth = tenth
    }
    while (this.tenth < tenth) {
      this.tenth++
      this.counts.fill(0, (this.tenth % BUCKETS) * KINDS, ((this.tenth % BUCKETS) + 1) * KINDS)
    }
  }
}

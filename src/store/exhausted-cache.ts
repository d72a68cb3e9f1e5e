import {
  type Answer,
  type Ask,
  type BoardChange,
  type BoardEntry,
  type Clock,
  type KeyState,
  type LeaseRef,
  type Ping,
  type Records,
  type Store,
  type Verdict,
} from './store'

/** Beyond this many remembered keys the oldest is forgotten, at the price of one trip. */
const MAX_KEYS = 50_000
/** A lease may end at any moment in another process: remember a refusal only so long. */
const LEASE_REFUSAL_MS = 1000

interface Exhausted {
  readonly ask: Ask
  readonly until: number
  readonly at: number
  readonly answer: Answer
}

/**
 * Remembers which keys are over their limit and until when, so that a client over its limit costs no trip to the store:
 * nothing but time and a wider limit can free a key, and the store said exactly how much. A batch with an enforced ask on such a key is
 * refused here; the other asks of that batch are answered as if they had room, since nobody asked; merits, as if nothing
 * were known.
 *
 * Asks that more than time can free are neither remembered nor refused here: one that a merit may excuse, one about
 * different values, of which the next may be known, and merits, which refuse nobody.
 */
export class ExhaustedCache implements Store {
  /** Batches that were answered without the store. */
  hits = 0
  /** Batches that went to the store. */
  trips = 0
  private readonly keys = new Map<string, Exhausted>()

  constructor(
    private readonly inner: Store,
    private readonly clock: Clock = monotonicMs,
  ) {
    inner.onReset((key) => this.keys.delete(key))
  }

  /** Keys known to be exhausted; bounded. */
  get remembered(): number {
    return this.keys.size
  }

  get kind(): Store['kind'] {
    return this.inner.kind
  }

  judge(asks: readonly Ask[]): Verdict | Promise<Verdict> {
    if (this.keys.size > 0) {
      const now = this.clock()
      const refused = this.refuse(asks, now)
      if (refused) return refused
    }
    this.trips++
    const verdict = this.inner.judge(asks)
    if (verdict instanceof Promise) return verdict.then((answered) => this.remember(asks, answered))
    return this.remember(asks, verdict)
  }

  /** Forgets everything: after a change of the configuration, limits may be wider. */
  clear(): void {
    this.keys.clear()
  }

  open(): Promise<void> {
    return this.inner.open()
  }

  release(leases: readonly LeaseRef[]): void | Promise<void> {
    for (const { key } of leases) this.keys.delete(key)
    return this.inner.release(leases)
  }

  renew(leases: readonly LeaseRef[], ttlMs: number): void | Promise<void> {
    return this.inner.renew(leases, ttlMs)
  }

  list(prefix: string, most: number): Promise<KeyState[]> {
    return this.inner.list(prefix, most)
  }

  reset(keys: readonly string[]): Promise<number> {
    return this.inner.reset(keys)
  }

  ping(): Promise<Ping> {
    return this.inner.ping()
  }

  onReset(listener: (key: string) => void): void {
    this.inner.onReset(listener)
  }

  post(entries: readonly BoardEntry[]): Promise<void> {
    return this.inner.post(entries)
  }

  withdraw(keys: readonly string[]): Promise<number> {
    return this.inner.withdraw(keys)
  }

  readBoard(prefix: string, most: number): Promise<BoardEntry[]> {
    return this.inner.readBoard(prefix, most)
  }

  onBoard(listener: (change: BoardChange) => void): void {
    this.inner.onBoard(listener)
  }

  get records(): Records {
    return this.inner.records
  }

  close(): Promise<void> {
    return this.inner.close()
  }

  closeNow(): void {
    this.inner.closeNow()
  }

  private refuse(asks: readonly Ask[], now: number): Verdict | undefined {
    if (!asks.some((ask) => ask.enforced && this.find(ask, now))) return undefined
    this.hits++
    return { committed: false, degraded: false, answers: asks.map((ask) => this.answer(ask, now)) }
  }

  private answer(ask: Ask, now: number): Answer {
    if (ask.op === 'merit') return NO_MERIT
    const known = this.find(ask, now)
    if (!known) return NOT_ASKED
    return { ...known.answer, retryAfterMs: Math.max(1, Math.ceil(known.answer.retryAfterMs - (now - known.at))) }
  }

  private find(ask: Ask, now: number): Exhausted | undefined {
    const { key } = ask
    const known = this.keys.get(key)
    if (known === undefined || !isFreedByTimeAlone(ask)) return undefined
    if (known.until > now && !isWider(ask, known.ask)) return known
    this.keys.delete(key)
    return undefined
  }

  private remember(asks: readonly Ask[], verdict: Verdict): Verdict {
    // The answers of a process on its own share hold only until the store is back.
    if (verdict.committed || verdict.degraded) return verdict
    const now = this.clock()
    for (let index = 0; index < asks.length; index++) {
      const ask = asks[index]!
      const answer = verdict.answers[index]!
      if (answer.ok || !ask.enforced || !isFreedByTimeAlone(ask)) continue
      const freeInMs = ask.op === 'lease' ? Math.min(LEASE_REFUSAL_MS, answer.retryAfterMs) : answer.retryAfterMs
      // A cost larger than the limit never fits, but a smaller one may.
      if (freeInMs === Infinity || ('cost' in ask && ask.cost > 1)) continue
      if (this.keys.size >= MAX_KEYS) this.forgetOldest()
      this.keys.set(ask.key, { ask, until: now + freeInMs, at: now, answer })
    }
    return verdict
  }

  private forgetOldest(): void {
    for (const key of this.keys.keys()) {
      this.keys.delete(key)
      return
    }
  }
}

/** Whether an ask may have room where another of the same key had none, or another wait: reputation widens limits. */
function isWider(ask: Ask, than: Ask): boolean {
  if (ask.op === 'window' && than.op === 'window') {
    if (ask.windows === than.windows) return false
    return (
      ask.windows.length !== than.windows.length ||
      ask.windows.some(({ limit, windowMs }, index) => {
        const other = than.windows[index]!
        return limit > other.limit || windowMs < other.windowMs
      })
    )
  }
  if (ask.op === 'rate' && than.op === 'rate') {
    // One that looks less far ahead has no room either, but for longer than was said.
    if (ask.aheadMs !== than.aheadMs) return true
    return ask.burst > than.burst || ask.intervalMs < than.intervalMs
  }
  if (ask.op === 'lease' && than.op === 'lease') return ask.limit > than.limit
  return ask.op !== than.op
}

const NOT_ASKED: Answer = { ok: true, count: 0, limit: 0, windowMs: 0, retryAfterMs: 0 }
/** Without a mean: not asked, which is another thing than unknown. */
const NO_MERIT: Answer = { ...NOT_ASKED, ok: false }

function isFreedByTimeAlone({ op, unless }: Ask): boolean {
  return op !== 'merit' && op !== 'distinct' && unless === undefined
}

function monotonicMs(): number {
  return performance.now()
}

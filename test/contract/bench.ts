import { setTimeout as delay } from 'node:timers/promises'
import type {
  Answer,
  Ask,
  DistinctAsk,
  LeaseAsk,
  MeritAsk,
  RateAsk,
  Store,
  TripletAsk,
  Verdict,
  Window,
  WindowAsk,
} from '../../src/store/store'
import { hash32 } from '../../src/keys/key'
import type { StoreHarness } from './store'

/** Most entries of the board of the stores that are tested; their other limits are as they come. */
export const MOST_ON_BOARD = 20
/** Most records of the same. */
export const MOST_RECORDS = 600

/** What every case of the contract works with: one open store, a way to let time pass, and asks in few words. */
export class Bench {
  private opened: Store | undefined
  private also: Store[] = []
  private keys = 0

  constructor(readonly harness: StoreHarness) {}

  /** Whether time stands still but for {@link pass}. */
  get virtual(): boolean {
    return this.harness.advance !== undefined
  }

  /** Length of the windows of most cases: long enough that a slow machine does not slip out of it, short enough to wait for. */
  get windowMs(): number {
    return this.virtual ? 60_000 : 600
  }

  get store(): Store {
    return this.opened!
  }

  async setUp(): Promise<void> {
    this.opened = await this.harness.open()
  }

  async tearDown(): Promise<void> {
    for (const store of [...this.also, this.store]) await store.close()
    this.also = []
    await this.harness.cleanUp()
  }

  /** Another handle on the same state, closed after the test. */
  async again(): Promise<Store> {
    const store = await this.harness.again!()
    this.also.push(store)
    return store
  }

  /** The store's clock, as far as it is known here. */
  now(): number {
    return this.harness.now?.() ?? Date.now()
  }

  /** Resolves when at least so much time has passed on the store's clock. */
  async pass(ms: number): Promise<void> {
    if (this.harness.advance) return this.harness.advance(ms)
    const from = Date.now()
    // One more, since both ends of the span are rounded down to the millisecond.
    while (Date.now() - from <= ms) await delay(Math.max(1, ms - (Date.now() - from)))
  }

  /** A key nobody has used, so that stores which outlive a test do not mix things up. */
  key(name = 'k'): string {
    return `contract:${name}:${++this.keys}`
  }

  async judge(...asks: Ask[]): Promise<Verdict> {
    return this.store.judge(asks)
  }

  async ask(ask: Ask): Promise<Answer> {
    const { answers } = await this.store.judge([ask])
    return answers[0]!
  }

  /** How many of `most` asks in a row are admitted. */
  async admitted(ask: Ask, most: number): Promise<number> {
    let count = 0
    for (let turn = 0; turn < most; turn++) if ((await this.ask(ask)).ok) count++
    return count
  }
}

export function windowAsk(key: string, windows: readonly Window[], more: Partial<WindowAsk> = {}): WindowAsk {
  return { op: 'window', key, windows, cost: 1, enforced: true, ...more }
}

export function rateAsk(key: string, intervalMs: number, burst: number, more: Partial<RateAsk> = {}): RateAsk {
  return { op: 'rate', key, intervalMs, burst, cost: 1, enforced: true, ...more }
}

export function leaseAsk(
  key: string,
  limit: number,
  holder: string,
  ttlMs: number,
  more: Partial<LeaseAsk> = {},
): LeaseAsk {
  return { op: 'lease', key, limit, id: leaseId(holder), ttlMs, enforced: true, ...more }
}

/** Passes `delayMs` after the first try, within four times that, and is kept for as long as eight. */
export function tripletAsk(key: string, delayMs: number, more: Partial<TripletAsk> = {}): TripletAsk {
  return { op: 'triplet', key, delayMs, retryMs: 4 * delayMs, passMs: 8 * delayMs, enforced: true, ...more }
}

/** Two samples with a mean of at least 0.5, of at most ten; they do not grow old, and are kept for `keepMs`. */
export function meritAsk(key: string, keepMs: number, more: Partial<MeritAsk> = {}): MeritAsk {
  const bounds = { leastSamples: 2, leastMean: 0.5, halfLifeMs: 0, most: 10, apartMs: 0 }
  return { op: 'merit', key, enforced: false, ...bounds, keepMs, ...more }
}

export function distinctAsk(
  key: string,
  value: string | number,
  limit: number,
  windowMs: number,
  more: Partial<DistinctAsk> = {},
): DistinctAsk {
  const hash = typeof value === 'number' ? value : hash32(value)
  return { op: 'distinct', key, value: hash, limit, windowMs, enforced: true, ...more }
}

export function leaseId(holder: string): string {
  return holder.padEnd(12, '.')
}

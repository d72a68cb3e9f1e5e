import assert from 'node:assert/strict'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { MemoryStore } from '../../src/store/memory/memory-store'
import { FailoverStore, type StoreChange } from '../../src/store/redis/failover-store'
import { RedisStore } from '../../src/store/redis/redis-store'
import type { Ask, Verdict } from '../../src/store/store'

/** The promise of the store port: no decision takes longer, whatever Redis does. */
const DECISION_MS = 100

export const askOf = (key: string, limit: number, cost = 1): Ask => ({
  op: 'window',
  key,
  enforced: true,
  cost,
  windows: [{ limit, windowMs: 600_000 }],
})

/** A store as a mail server has it, and a record of its changes. */
export class OutageBench {
  readonly store: FailoverStore
  readonly changes: StoreChange[] = []
  private readonly stalls: IntervalHistogram = monitorEventLoopDelay({ resolution: 2 })
  private waiting: { count: number; resolve: () => void }[] = []

  constructor(url: string) {
    this.store = new FailoverStore({
      shared: new RedisStore({ url }),
      local: new MemoryStore(),
      onChange: (change) => this.note(change),
      breaker: { probeEveryMs: 100 },
      beatEveryMs: 300,
    })
    this.stalls.enable()
  }

  /** Opens it, and checks that starting up is not held up. */
  async open(): Promise<void> {
    const started = performance.now()
    await this.store.open()
    assert.ok(performance.now() - started < 1300 + this.stallMs, 'opening took too long')
  }

  /** Judges, and checks that it took no longer than promised. */
  async judge(...asks: Ask[]): Promise<Verdict> {
    this.stalls.reset()
    const started = performance.now()
    const verdict = await this.store.judge(asks)
    const tookMs = performance.now() - started
    // What a busy machine keeps from this process altogether is not the store's.
    assert.ok(tookMs <= DECISION_MS + this.stallMs, `a decision took ${tookMs} ms, with stalls of ${this.stallMs} ms`)
    return verdict
  }

  /** Judges until the store counts as lost; returns how many units were admitted. */
  async judgeUntilLost(ask: Ask): Promise<number> {
    let admitted = 0
    const before = this.changes.length
    for (let tries = 0; this.changes.length === before; tries++) {
      assert.ok(tries < 10, 'not lost after ten judgements')
      if ((await this.judge(ask)).committed) admitted++
    }
    return admitted
  }

  /** Resolves when there have been so many changes. */
  changed(count: number): Promise<void> {
    if (this.changes.length >= count) return Promise.resolve()
    return new Promise((resolve) => this.waiting.push({ count, resolve }))
  }

  get states(): string[] {
    return this.changes.map((change) => change.state)
  }

  async close(): Promise<void> {
    this.stalls.disable()
    await this.store.close()
  }

  private get stallMs(): number {
    return this.stalls.max / 1e6
  }

  private note(change: StoreChange): void {
    this.changes.push(change)
    for (const { count, resolve } of this.waiting) if (this.changes.length >= count) resolve()
  }
}

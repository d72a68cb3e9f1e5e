import { decodeState, encodeState } from '../../src/store/engine/codec'
import { judgeBatch, releaseLease, renewLease } from '../../src/store/engine/judge'
import { commitRate, followClock } from '../../src/store/engine/rate'
import { type RateState, type State, expiryOf, fits } from '../../src/store/engine/state'
import { append, emptyTape, trim } from '../../src/store/engine/tape'
import type { Charge, WindowCharge } from '../../src/store/redis/shared-store'
import type { Ask, LeaseRef, RateAsk, Verdict } from '../../src/store/store'

/** The engine of `engine/` over the same bytes as Redis holds. */
export class RedisModel {
  readonly values = new Map<string, Buffer>()
  readonly lives = new Map<string, number>()
  now = 1_700_000_000_000

  get = (key: string): State | undefined => {
    const bytes = this.values.get(key)
    return bytes ? decodeState(bytes) : undefined
  }

  put = (key: string, state: State): void => {
    this.values.set(key, encodeState(state))
    this.lives.set(key, Math.max(1, expiryOf(state) - this.now))
  }

  judge(asks: readonly Ask[]): Verdict {
    return { ...judgeBatch(this, asks, this.now), degraded: false }
  }

  renew(lease: LeaseRef, ttlMs: number): void {
    this.put(lease.key, renewLease(this.get(lease.key), lease, this.now, ttlMs))
  }

  charge(charge: Charge): void {
    if (charge.op === 'window') return this.chargeWindows(charge)
    const { key, depthMs, debtMs, startsInMs } = charge
    const { now } = this
    const known = this.get(key)
    const state: RateState = known?.op === 'rate' ? known : { op: 'rate', tat: 0, noted: false }
    const bucket: RateAsk = { op: 'rate', key, enforced: true, cost: 0, intervalMs: depthMs, burst: 1 }
    followClock(state, bucket, now)
    // Nothing taken: settles the time of the bucket.
    commitRate(state, bucket, now)
    const tat = Math.max(state.tat, Math.min(state.tat + debtMs, now + depthMs))
    state.tat = startsInMs === undefined ? tat : Math.max(tat, now + startsInMs + depthMs)
    if (startsInMs !== undefined) state.writtenAt = now
    if (state.tat > now) this.put(key, state)
  }

  private chargeWindows({ key, windows, entries }: WindowCharge): void {
    const known = this.get(key)
    const fitting = known?.op === 'window' && fits(known, { op: 'window', key, windows, cost: 1, enforced: true })
    const tapes = fitting ? known.tapes : windows.map(({ windowMs }) => emptyTape(windowMs))
    tapes.forEach((tape, index) => {
      let last = tape.entries.at(-2) ?? 0
      if (last - this.now > tape.windowMs) {
        Object.assign(tape, emptyTape(tape.windowMs))
        last = 0
      }
      for (const { agoMs, units } of entries) {
        if (agoMs >= tape.windowMs) continue
        last = Math.max(last, this.now - agoMs)
        append(tape, last, windows[index]!.limit, units)
      }
    })
    if (expiryOf({ op: 'window', tapes, noted: false }) <= this.now) return
    for (const tape of tapes) {
      trim(tape, Math.max(this.now, tape.entries.at(-2) ?? 0))
      if (tape.entries.length === 0) Object.assign(tape, { base: 0, entries: [this.now, 0] })
    }
    const expiresAt = Math.max(
      ...tapes.map((tape) => (tape.entries.at(-1) === 0 ? 0 : tape.entries.at(-2)! + tape.windowMs)),
    )
    this.put(key, { op: 'window', tapes, noted: false })
    this.lives.set(key, expiresAt - this.now)
  }

  release(lease: LeaseRef): void {
    const left = releaseLease(this.get(lease.key), lease)
    if (!left) return
    if (expiryOf(left) > this.now) this.put(lease.key, left)
    else this.values.delete(lease.key)
  }
}

import { MemoryStore } from '../../../../src/store/memory/memory-store'
import type { Charge, SharedStore } from '../../../../src/store/redis/shared-store'
import type { Ask, BoardEntry, LeaseRef, Verdict } from '../../../../src/store/store'

/** A shared store in memory whose answers the test chooses. */
export class FakeShared extends MemoryStore implements SharedStore {
  down: Error | undefined
  live = 1
  readonly charged: Charge[] = []
  readonly released: LeaseRef[] = []
  /** While set, calls that charge fail with it. */
  refusesCharges: Error | undefined

  override async open(): Promise<void> {
    this.answer()
    await super.open()
  }
  override judge(asks: readonly Ask[]): Verdict {
    this.answer()
    return super.judge(asks)
  }
  override release(leases: readonly LeaseRef[]): void {
    this.answer()
    this.released.push(...leases)
  }
  override renew(leases: readonly LeaseRef[], ttlMs: number): void {
    this.answer()
    super.renew(leases, ttlMs)
  }
  /** While set, calls that post fail with it. */
  refusesBoard: Error | undefined

  override async post(entries: readonly BoardEntry[]): Promise<void> {
    this.answer()
    if (this.refusesBoard) throw this.refusesBoard
    return super.post(entries)
  }
  override async withdraw(keys: readonly string[]): Promise<number> {
    this.answer()
    return super.withdraw(keys)
  }
  async beat(): Promise<number> {
    this.answer()
    return this.live
  }
  async charge(charges: readonly Charge[]): Promise<void> {
    this.answer()
    if (this.refusesCharges) throw this.refusesCharges
    this.charged.push(...charges)
  }
  private answer(): void {
    if (this.down) throw this.down
  }
}

import type { BoardChange, BoardEntry, Clock } from '../../store/store'
import { keyText } from '../../keys/key'

const SLOW_PREFIX = 'slow|'
const MOST = 10_000

/** An account at which too many have guessed: logins are held for a while, wherever they come from. */
export function slowEntry(account: string, until: number): BoardEntry {
  return { key: keyText('slow', [account]), text: '', expiresAt: until }
}

/** Accounts whose logins are held, in this process: a copy of what stands on the store's board. */
export class SlowList {
  private readonly until = new Map<string, number>()

  constructor(private readonly clock: Clock = Date.now) {}

  apply(change: BoardChange): void {
    if (change.kind === 'withdrawn') this.until.delete(change.key)
    else if (change.kind === 'posted') this.put(change.entry)
    else {
      this.until.clear()
      for (const entry of change.entries) this.put(entry)
    }
  }

  has(account: string): boolean {
    return this.leftMs(account) > 0
  }

  /** How much longer its logins are held; 0 when they are not. */
  leftMs(account: string): number {
    if (this.until.size === 0) return 0
    const key = keyText('slow', [account])
    const until = this.until.get(key)
    if (until === undefined) return 0
    const leftMs = until - this.clock()
    if (leftMs > 0) return leftMs
    this.until.delete(key)
    return 0
  }

  private put({ key, expiresAt }: BoardEntry): void {
    if (!key.startsWith(SLOW_PREFIX)) return
    if (this.until.size >= MOST) this.dropEnded()
    if (this.until.size < MOST || this.until.has(key)) this.until.set(key, expiresAt)
  }

  private dropEnded(): void {
    const now = this.clock()
    for (const [key, until] of this.until) if (until <= now) this.until.delete(key)
  }
}

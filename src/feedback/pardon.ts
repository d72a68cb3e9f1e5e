import { pathKey } from '../egress/path-key'
import type { BoardChange, BoardEntry, Clock, Store } from '../store/store'

/** Where it stands on the store's board who is left alone for a while. */
const PREFIX = 'pardon'

/** Nothing is ordered against these senders for so long, but by people. Rejects with `StoreError`. */
export async function pardon(store: Store, targets: readonly string[], until: number): Promise<void> {
  await store.post(targets.map((target) => ({ key: keyOf(target), text: '', expiresAt: until })))
}

/** Who is left alone, in this process: a copy of what stands on the board, and bounded by it. */
export class Pardons {
  private readonly untilOf = new Map<string, number>()

  constructor(private readonly clock: Clock = Date.now) {}

  /** Keeps the copy up to date from now on. */
  follow(store: Store): void {
    store.onBoard((change) => this.apply(change))
  }

  has(target: string): boolean {
    if (this.untilOf.size === 0) return false
    const until = this.untilOf.get(keyOf(target))
    return until !== undefined && until > this.clock()
  }

  private apply(change: BoardChange): void {
    if (change.kind === 'posted') return this.put(change.entry)
    if (change.kind === 'withdrawn') return void this.untilOf.delete(change.key)
    this.untilOf.clear()
    for (const entry of change.entries) this.put(entry)
  }

  private put({ key, expiresAt }: BoardEntry): void {
    if (key.startsWith(`${PREFIX}|`)) this.untilOf.set(key, expiresAt)
  }
}

function keyOf(target: string): string {
  return pathKey(PREFIX, target)
}

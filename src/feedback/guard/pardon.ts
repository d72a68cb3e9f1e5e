import { pathKey } from '../../egress/path-key'
import type { SteeringDesk } from '../../egress/steering-desk'
import type { Action } from '../../egress/steering-action'
import type { BoardChange, BoardEntry, Store } from '../../store/store'
import { keysOf } from './figures'

/** Where it stands on the store's board whom the guard leaves alone for a while. */
const PREFIX = 'guard_pardon'

/**
 * Lets a sender go: takes actions off, and forgets what was counted, so that nobody is held again for what is forgiven: by the
 * guard, and by rules for answers, `countersOf` a target. With `leaveAloneMs` the guard does nothing about him for so long. Rejects with `StoreError`.
 */
export async function release(
  store: Store,
  desk: SteeringDesk,
  actions: readonly Action[],
  {
    leaveAloneMs = 0,
    now = Date.now(),
    countersOf = () => [],
  }: {
    readonly leaveAloneMs?: number
    readonly now?: number
    readonly countersOf?: (target: string) => readonly string[]
  } = {},
): Promise<void> {
  const targets = [...new Set(actions.map(({ path }) => path))]
  // First, so that nobody is held anew by what is about to be forgotten.
  await store.reset(targets.flatMap((target) => [...keysOf(target), ...countersOf(target)]))
  if (leaveAloneMs > 0) {
    await store.post(targets.map((target) => ({ key: keyOf(target), text: '', expiresAt: now + leaveAloneMs })))
  }
  await desk.withdraw(actions)
}

/** Whom the guard leaves alone, in this process: a copy of what stands on the board, and bounded by it. */
export class Pardons {
  private readonly untilOf = new Map<string, number>()

  has(target: string, now: number): boolean {
    if (this.untilOf.size === 0) return false
    const until = this.untilOf.get(keyOf(target))
    return until !== undefined && until > now
  }

  /** Takes over a change of the board; other entries are left alone. */
  apply(change: BoardChange): void {
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

import { isDeepStrictEqual } from 'node:util'
import type { BoardChange, BoardEntry, Store } from '../../src/store/store'

/** Listens to a board and remembers all it hears. */
export class BoardEar {
  readonly changes: BoardChange[] = []
  private waiting: (() => void)[] = []

  constructor(store: Pick<Store, 'onBoard'>) {
    store.onBoard((change) => {
      this.changes.push(change)
      for (const wake of this.waiting.splice(0)) wake()
    })
  }

  /** Resolves when such a change has been heard, also before; the runner's own time limit is the bound. */
  async heard(isIt: (change: BoardChange) => boolean): Promise<void> {
    while (!this.changes.some(isIt)) await new Promise<void>((resolve) => this.waiting.push(resolve))
  }

  /** Resolves when everything was told: from then on changes are told one by one. */
  opened(): Promise<void> {
    return this.heard(({ kind }) => kind === 'all')
  }

  posted(entry: BoardEntry): Promise<void> {
    return this.heard((change) => change.kind === 'posted' && isDeepStrictEqual(change.entry, entry))
  }

  withdrawn(key: string): Promise<void> {
    return this.heard((change) => change.kind === 'withdrawn' && change.key === key)
  }

  /** What this process knows, from all that was told. */
  get known(): BoardEntry[] {
    const known = new Map<string, BoardEntry>()
    for (const change of this.changes) {
      if (change.kind === 'posted') known.set(change.entry.key, change.entry)
      else if (change.kind === 'withdrawn') known.delete(change.key)
      else {
        known.clear()
        for (const entry of change.entries) known.set(entry.key, entry)
      }
    }
    return sorted([...known.values()])
  }
}

/** By key. */
export function sorted(entries: readonly BoardEntry[]): BoardEntry[] {
  return [...entries].sort((a, b) => (a.key < b.key ? -1 : 1))
}

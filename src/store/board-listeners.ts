import type { BoardChange, BoardEntry } from './store'

/** Those who listen to the board of a store that has a copy of it. Each hears `all` before anything else. */
export class BoardListeners {
  private readonly listeners: ((change: BoardChange) => void)[] = []
  private everTold = false

  /** @param everything reads the copy */
  constructor(private readonly everything: () => readonly BoardEntry[]) {}

  add(listener: (change: BoardChange) => void): void {
    this.listeners.push(listener)
    if (this.everTold) listener({ kind: 'all', entries: this.everything() })
  }

  /** Whether `all` was told. */
  get opened(): boolean {
    return this.everTold
  }

  /** For when the store is open, and whenever the copy was replaced. */
  tellAll(): void {
    this.everTold = true
    this.tell([{ kind: 'all', entries: this.everything() }])
  }

  /** Changes of the copy, which has made them already. Before {@link tellAll} nobody needs to know them. */
  tell(changes: readonly BoardChange[]): void {
    if (!this.everTold) return
    for (const change of changes) for (const listener of this.listeners) listener(change)
  }
}

/** One question that waits to be sent with others. */
interface Waiting<Item, Result> {
  readonly item: Item
  resolve(result: Result): void
  reject(error: unknown): void
}

export interface GathererOptions<Item, Result> {
  /** Sends some items and resolves to their results, in the same order. */
  readonly send: (items: readonly Item[]) => Promise<readonly Result[]>
  /** How large an item is, in the unit of `most`. */
  readonly sizeOf: (item: Item) => number
  /** What is sent in one call is at most so large, unless a single item is larger. */
  readonly most: number
}

/**
 * Joins what is asked within one turn of the event loop into few calls. Under load a turn serves many sessions, and one
 * command for all of them costs both sides far less than one each; an idle server sends its only question at once, at
 * the end of the turn.
 */
export class Gatherer<Item, Result> {
  private waiting: Waiting<Item, Result>[] = []

  constructor(private readonly options: GathererOptions<Item, Result>) {}

  ask(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.waiting.push({ item, resolve, reject }) === 1) setImmediate(() => this.sendAll())
    })
  }

  private sendAll(): void {
    const { waiting } = this
    this.waiting = []
    const { sizeOf, most } = this.options
    let first = 0
    let size = 0
    for (let index = 0; index < waiting.length; index++) {
      const own = sizeOf(waiting[index]!.item)
      if (size > 0 && size + own > most) {
        this.send(waiting.slice(first, index))
        first = index
        size = 0
      }
      size += own
    }
    this.send(first === 0 ? waiting : waiting.slice(first))
  }

  private send(lot: readonly Waiting<Item, Result>[]): void {
    this.options.send(lot.map(({ item }) => item)).then(
      (results) => {
        for (let index = 0; index < lot.length; index++) lot[index]!.resolve(results[index]!)
      },
      (error: unknown) => {
        for (const waiting of lot) waiting.reject(error)
      },
    )
  }
}

import type { Waiting } from './fair-queue'
import {
  type Admission,
  type ClassLoad,
  PathDispatcher,
  type PathDispatcherOptions,
  type PathHold,
} from './path-dispatcher'

/** What a path has to do at the moment, in this process. */
export interface PathLoad {
  readonly path: string
  readonly waiting: number
  readonly underWay: number
}

/** The same with all that is known without looking at each message. */
export interface PathFigures extends PathLoad {
  readonly classes: readonly ClassLoad[]
  readonly hold: PathHold
}

/** A path in the making: all that does not depend on who asks. */
export type PathSetup<Item extends Waiting> = Omit<PathDispatcherOptions<Item>, 'onIdle'>

/**
 * All paths of this process. They know nothing of each other: a slow provider keeps nobody else waiting. A path lives as
 * long as it has something to do.
 */
export class Dispatcher<Item extends Waiting> {
  private readonly paths = new Map<string, PathDispatcher<Item>>()
  /** Where a message waits. */
  private readonly pathOf = new Map<string, string>()

  constructor(private readonly setup: (path: string) => PathSetup<Item>) {}

  /** Throws when the message waits already, on whatever path: it would be sent twice. */
  add(path: string, item: Item): void {
    if (this.pathOf.has(item.id)) throw new Error(`${item.id} waits already`)
    this.pathOf.set(item.id, path)
    this.open(path).add(item)
  }

  has(id: string): boolean {
    return this.pathOf.has(id)
  }

  /** Takes a message out; undefined when it does not wait. */
  remove(id: string): Item | undefined {
    const path = this.pathOf.get(id)
    if (path === undefined) return undefined
    const item = this.paths.get(path)?.remove(id)
    // Of one that is about to go it is not known whether it will.
    if (item) this.pathOf.delete(id)
    return item
  }

  /** The busiest paths first. */
  loads(): PathLoad[] {
    return [...this.paths]
      .map(([path, { waiting, underWay }]) => ({ path, waiting, underWay }))
      .sort((a, b) => b.waiting - a.waiting || b.underWay - a.underWay)
  }

  /** Of all paths, in no order; costs a look at each tenant that waits somewhere. */
  *figures(): IterableIterator<PathFigures> {
    for (const [path, { waiting, underWay, classes, hold }] of this.paths) {
      yield { path, waiting, underWay, classes, hold }
    }
  }

  /** Whether another connection may be made for a path: {@link PathDispatcher.mayConnect}. */
  mayConnect(path: string, coming: number): boolean {
    return this.paths.get(path)?.mayConnect(coming) ?? true
  }

  /** A connection of a path is gone, or has become idle. */
  reconcile(path: string): void {
    this.paths.get(path)?.reconcile()
  }

  /** The limits of a path have changed. */
  pump(path: string): void {
    this.paths.get(path)?.pump()
  }

  /** Prolongs the places of all deliveries under way. Rejects with the first failure, after all were tried. */
  async renew(): Promise<void> {
    const outcomes = await Promise.allSettled([...this.paths.values()].map((path) => path.renew()))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** Nothing is let go any more; what waits is returned. */
  close(): Item[] {
    this.pathOf.clear()
    return [...this.paths.values()].flatMap((path) => path.close())
  }

  private letGo(item: Item, may: Admission): Admission {
    if (typeof may === 'string') return may
    const elsewhere = () => {
      this.pathOf.delete(item.id)
      may.elsewhere()
    }
    return { elsewhere }
  }

  private open(path: string): PathDispatcher<Item> {
    const known = this.paths.get(path)
    if (known) return known
    const setup = this.setup(path)
    const dispatcher = new PathDispatcher<Item>({
      ...setup,
      send: (grant) => {
        this.pathOf.delete(grant.item.id)
        setup.send(grant)
      },
      admit: (item) => setup.admit?.(item)?.then((may) => this.letGo(item, may)),
      onIdle: () => this.paths.delete(path),
    })
    this.paths.set(path, dispatcher)
    return dispatcher
  }
}

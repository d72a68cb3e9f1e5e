import { type Clock, MAX_BOARD_ENTRIES, type Store } from '../store/store'
import { ACTION_PREFIX, type Action, type Order, actionKey, actionOf, entryOf, readEntry } from './steering-action'

/** Actions as they stand on the store's board. Rejects with `StoreError` when the store cannot be asked or told. */
export class SteeringDesk {
  constructor(
    private readonly store: Store,
    private readonly clock: Clock = Date.now,
    private readonly onOrdered: (action: Action) => void = () => undefined,
  ) {}

  /** Orders all or none, at once. Rejects with a RangeError when one of them cannot be ordered. */
  async post(orders: readonly Order[]): Promise<Action[]> {
    const actions = orders.map(actionOf)
    await this.store.post(actions.map(entryOf))
    for (const action of actions) this.onOrdered(action)
    return actions
  }

  /** All in force, the soonest to end first. */
  async list(): Promise<Action[]> {
    const now = this.clock()
    const entries = await this.store.readBoard(ACTION_PREFIX, MAX_BOARD_ENTRIES)
    return entries
      .flatMap((entry) => readEntry(entry) ?? [])
      .filter(({ until }) => until > now)
      .sort((a, b) => a.until - b.until)
  }

  /** What an origin has ordered of a kind for just this path. */
  async find(slot: Pick<Action, 'origin' | 'kind' | 'path'>): Promise<Action | undefined> {
    const key = actionKey(slot)
    const entries = await this.store.readBoard(key, MAX_BOARD_ENTRIES)
    const own = entries.find((entry) => entry.key === key)
    return own && own.expiresAt > this.clock() ? readEntry(own) : undefined
  }

  /** The action of an id, in whatever case it is written. */
  async look(id: string): Promise<Action | undefined> {
    return (await this.list()).find((action) => action.id === id.toUpperCase())
  }

  /** Takes an action off, whoever ordered it. Undefined when there is none of this id. */
  async cancel(id: string): Promise<Action | undefined> {
    const action = await this.look(id)
    return action && (await this.withdraw([action])) > 0 ? action : undefined
  }

  /** Suspensions of just this path, or pattern, whoever ordered them. */
  async suspensions(path: string): Promise<Action[]> {
    return (await this.list()).filter((action) => action.path === path && action.values.suspended)
  }

  /** Returns how many were there. */
  async withdraw(actions: readonly Action[]): Promise<number> {
    return actions.length === 0 ? 0 : this.store.withdraw(actions.map(actionKey))
  }
}

import { type Mode, isEnforced } from '../policy/mode'
import type { BoardChange, Clock, Store, Window } from '../store/store'
import {
  ACTION_ORIGINS,
  ACTION_PREFIX,
  type Action,
  type ActionOrigin,
  type Order,
  actionKey,
  readEntry,
} from './steering-action'
import { SteeringDesk } from './steering-desk'

/** What all actions in force together say of a path. */
export interface PathOrders {
  /** Milliseconds since 1970. */
  readonly suspendedUntil: number | undefined
  /** Of the profile's figures; 1 where nobody has ordered anything. */
  readonly rateFactor: number
  readonly connectionsFactor: number
  /** A person's, in place of the profile's; the controller's and breaker's word on the same does not count then. */
  readonly messageRate: Window | undefined
  readonly connections: number | undefined
  /** No more than this, whatever the profile says. */
  readonly mostMessageRate: Window | undefined
  readonly mostConnections: number | undefined
  /** Messages that one session may carry. */
  readonly mostSessionMessages: number | undefined
}

export const NO_ORDERS: PathOrders = {
  suspendedUntil: undefined,
  rateFactor: 1,
  connectionsFactor: 1,
  messageRate: undefined,
  connections: undefined,
  mostMessageRate: undefined,
  mostConnections: undefined,
  mostSessionMessages: undefined,
}

export interface SteeringOptions {
  readonly store: () => Store
  /** In which mode it is applied what an origin orders; what people order always is. */
  readonly mode?: (origin: Exclude<ActionOrigin, 'operator'>) => Mode
  /** This process has ordered something. Must not throw. */
  readonly onOrdered?: (action: Action) => void
  readonly clock?: Clock
}

/** Of a path that was asked for: what holds, until when nothing changes by itself. */
interface Known {
  readonly orders: PathOrders
  readonly validUntil: number
}

/** Paths are named by destinations, which anybody can make up. */
const MOST_KNOWN = 10_000
const LEAST_SWEEP = 1000
const AUTOMATIC = ACTION_ORIGINS.filter((origin) => origin !== 'operator')
const ENFORCE: Mode = { kind: 'enforce' }

/**
 * What is ordered for the paths, in this process: a copy of what stands on the store's board, so that each message can ask
 * at the price of a look into a map. Bounded by the board.
 */
export class Steering {
  private readonly clock: Clock
  private readonly live = new Map<string, Action>()
  /** By path or pattern. */
  private readonly targets = new Map<string, Map<string, Action>>()
  private readonly known = new Map<string, Known>()
  private modes: readonly Mode[] = []
  private readonly listeners: ((target: string) => void)[] = []
  private sweepAt = LEAST_SWEEP

  constructor(private readonly options: SteeringOptions) {
    this.clock = options.clock ?? Date.now
  }

  /**
   * Called when something else holds for a target, or for all that a pattern {@link concerns}. Nobody tells when an action
   * ends. Must not throw.
   */
  onChange(listener: (target: string) => void): void {
    this.listeners.push(listener)
  }

  /** Keeps the copy of the board up to date from now on. */
  follow(store: Store): void {
    store.onBoard((change) => this.apply(change))
  }

  /** Takes over a change of the board; entries that are no actions are left alone. */
  apply(change: BoardChange): void {
    if (change.kind === 'posted') return this.tell([this.put(change.entry)])
    if (change.kind === 'withdrawn') return this.tell([this.remove(change.key)])
    const before = [...this.targets.keys()]
    this.live.clear()
    this.targets.clear()
    this.tell([...before, ...change.entries.map((entry) => this.put(entry))])
  }

  /** What holds for a path now: of several the strictest, but a person's word before the controller's and the breaker's. */
  ordersOf(path: string): PathOrders {
    if (this.live.size === 0) return NO_ORDERS
    this.heedModes()
    const known = this.known.get(path)
    return known !== undefined && known.validUntil > this.clock() ? known.orders : this.work(path)
  }

  /** What is ordered for just this target, also what changes nothing, each with whether it holds. */
  *holding(target: string): IterableIterator<{ readonly action: Action; readonly holds: boolean }> {
    if (this.live.size === 0) return
    const now = this.clock()
    for (const action of this.targets.get(target)?.values() ?? []) {
      if (action.until > now) yield { action, holds: this.holds(action, target) }
    }
  }

  /** All in force, also those that change nothing, the soonest to end first. */
  actions(): Action[] {
    const now = this.clock()
    return [...this.live.values()].filter(({ until }) => until > now).sort((a, b) => a.until - b.until)
  }

  /** What an origin has ordered of a kind for just this path. */
  find(slot: Pick<Action, 'origin' | 'kind' | 'path'>): Action | undefined {
    if (this.live.size === 0) return undefined
    const action = this.live.get(actionKey(slot))
    return action && action.until > this.clock() ? action : undefined
  }

  /** As {@link SteeringDesk.post}, of one. */
  async post(order: Order): Promise<Action> {
    return (await this.desk().post([order]))[0]!
  }

  /** As {@link SteeringDesk.cancel}. */
  cancel(id: string): Promise<Action | undefined> {
    return this.desk().cancel(id)
  }

  /** The board itself, for those who must know what stands there now. */
  desk(): SteeringDesk {
    return new SteeringDesk(this.options.store(), this.clock, this.options.onOrdered)
  }

  private put(entry: { key: string; text: string; expiresAt: number }): string | undefined {
    if (!entry.key.startsWith(ACTION_PREFIX)) return undefined
    const before = this.remove(entry.key)
    const action = readEntry(entry)
    if (!action || action.until <= this.clock()) return before
    this.live.set(entry.key, action)
    const target = this.targets.get(action.path) ?? new Map<string, Action>()
    this.targets.set(action.path, target.set(entry.key, action))
    if (this.live.size >= this.sweepAt) this.sweep()
    return action.path
  }

  private remove(key: string): string | undefined {
    const action = this.live.get(key)
    if (!action) return undefined
    this.live.delete(key)
    const target = this.targets.get(action.path)
    target?.delete(key)
    if (target?.size === 0) this.targets.delete(action.path)
    return action.path
  }

  /** Nobody tells when an action ends. */
  private sweep(): void {
    const now = this.clock()
    for (const [key, { until }] of this.live) if (until <= now) this.remove(key)
    this.sweepAt = Math.max(LEAST_SWEEP, this.live.size * 2)
  }

  private tell(targets: readonly (string | undefined)[]): void {
    const changed = new Set(targets.filter((target) => target !== undefined))
    if (changed.size === 0) return
    this.known.clear()
    for (const target of changed) for (const listener of this.listeners) listener(target)
  }

  private work(path: string): PathOrders {
    const now = this.clock()
    const actions: Action[] = []
    for (const target of targetsOf(path)) {
      for (const action of this.targets.get(target)?.values() ?? []) {
        if (action.until > now && this.holds(action, path)) actions.push(action)
      }
    }
    const known = { orders: combine(actions), validUntil: Math.min(...actions.map(({ until }) => until)) }
    if (this.known.size >= MOST_KNOWN) this.known.clear()
    this.known.set(path, known)
    return known.orders
  }

  private modeOf(origin: Exclude<ActionOrigin, 'operator'>): Mode {
    return this.options.mode?.(origin) ?? ENFORCE
  }

  /** What is known was worked out under other modes. */
  private heedModes(): void {
    const modes = AUTOMATIC.map((origin) => this.modeOf(origin))
    if (modes.every((mode, index) => mode === this.modes[index])) return
    this.modes = modes
    this.known.clear()
  }

  private holds({ mode, origin }: Action, path: string): boolean {
    return mode === 'enforce' && (origin === 'operator' || isEnforced(this.modeOf(origin), path))
  }
}

/** The path, and each pattern that it is of. */
function* targetsOf(path: string): IterableIterator<string> {
  yield path
  for (let bar = path.indexOf('|'); bar >= 0; bar = path.indexOf('|', bar + 1)) yield path.slice(0, bar + 1) + '*'
}

function combine(actions: readonly Action[]): PathOrders {
  if (actions.length === 0) return NO_ORDERS
  const rates = decisive(actions, ({ values }) => values.rateFactor !== undefined || values.messageRate !== undefined)
  const places = decisive(
    actions,
    ({ values }) => values.connectionsFactor !== undefined || values.connections !== undefined,
  )
  const messageRate = slowest(rates.actions.flatMap(({ values }) => values.messageRate ?? []))
  const connections = least(places.actions.flatMap(({ values }) => values.connections ?? []))
  const suspended = actions.flatMap(({ values, until }) => (values.suspended ? until : []))
  return {
    suspendedUntil: suspended.length === 0 ? undefined : Math.max(...suspended),
    rateFactor: Math.min(1, ...rates.actions.map(({ values }) => values.rateFactor ?? 1)),
    connectionsFactor: Math.min(1, ...places.actions.map(({ values }) => values.connectionsFactor ?? 1)),
    messageRate: rates.byOperator ? messageRate : undefined,
    connections: places.byOperator ? connections : undefined,
    mostMessageRate: rates.byOperator ? undefined : messageRate,
    mostConnections: places.byOperator ? undefined : connections,
    mostSessionMessages: least(actions.flatMap(({ values }) => values.sessionMessages ?? [])),
  }
}

/** Those whose word on something counts. */
function decisive(actions: readonly Action[], says: (action: Action) => boolean) {
  const saying = actions.filter(says)
  const operators = saying.filter(({ origin }) => origin === 'operator')
  return { actions: operators.length > 0 ? operators : saying, byOperator: operators.length > 0 }
}

function slowest(rates: readonly Window[]): Window | undefined {
  return [...rates].sort((a, b) => b.windowMs / b.limit - a.windowMs / a.limit)[0]
}

function least(counts: readonly number[]): number | undefined {
  return counts.length === 0 ? undefined : Math.min(...counts)
}

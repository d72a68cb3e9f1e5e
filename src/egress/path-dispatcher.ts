import type { Ask, Clock, LeaseAsk, Store, Verdict } from '../store/store'
import { Contest } from './contest'
import { FairQueue, MAIL_CLASSES, type MailClass, type Shares, type Waiting } from './fair-queue'
import { pathKey } from './path-key'
import { Places } from './places'
import { REAL_TIMERS, type Timers } from './timers'

/** What a path bears. */
export interface PathLimits {
  /** Connections at a time, on all hosts together. */
  readonly connections: number
  /** One message each `intervalMs`, up to `burst` at once; undefined: as fast as connections allow. */
  readonly rate: { readonly intervalMs: number; readonly burst: number } | undefined
  /** Nothing goes before this, milliseconds since 1970. What has a slot already, for at most a second, still goes. */
  readonly suspendedUntil?: number | undefined
  /** The same for a budget that is used up. Who says so calls {@link PathDispatcher.pump} when there is some again. */
  readonly warmingUntil?: number | undefined
}

/**
 * Whether a message whose turn it is may go; `wait`: not now, nor any other of the path, as its limits say from now on;
 * `elsewhere`: it is no longer this path's, and that is called when the path has let go of it.
 */
export type Admission = 'go' | 'wait' | { readonly elsewhere: () => void }

/** A message may go: it holds a place among the deliveries of its path until it is ended. */
export interface Grant<Item> {
  readonly item: Item
  /** The attempt is over, however it ended. Idempotent: a message may end in several ways at once. */
  readonly end: () => void
}

/** The connections of this process to a path, as far as a place is needed for each. */
export interface PathConnections {
  /** All there are: being made, in use, waiting for another message, being closed. */
  readonly count: () => number
  /** Closes one that waits for another message, if there is one. When it is gone {@link PathDispatcher.reconcile} is called. */
  readonly closeIdle: () => void
}

/** What keeps the messages of a path from going faster; `nothing` when none waits, or those that wait are about to go. */
export type PathHold = 'suspended' | 'warmup' | 'rate' | 'connections' | 'store' | 'nothing'

/** What waits of a class. */
export interface ClassLoad {
  readonly mailClass: MailClass
  readonly waiting: number
  /** When the one was due that has waited longest, in milliseconds since 1970. */
  readonly oldestDueAt: number
}

export interface PathDispatcherOptions<Item extends Waiting> {
  /** Names the path in the store, such as `default|google`: all hosts that share the store share its limits. */
  readonly path: string
  readonly limits: () => PathLimits
  readonly store: () => Store
  /** Sends a message. Must not throw. */
  readonly send: (grant: Grant<Item>) => void
  /** Asked of each message when its turn has come; undefined: it may go. Must neither throw nor reject. */
  readonly admit?: (item: Item) => Promise<Admission> | undefined
  /** The store could not be asked; mail waits, and it is asked again. */
  readonly onFailure: (error: unknown) => void
  /** Nothing waits, and nothing is under way or connected: whoever keeps the dispatcher may forget it. */
  readonly onIdle?: () => void
  /** None where deliveries have no connections that outlive them. */
  readonly connections?: PathConnections
  readonly shares?: Shares
  readonly timers?: Timers
  /** Wall clock, by which a suspension ends. */
  readonly clock?: Clock
}

/** Slots are reserved so far ahead: far enough to hide a trip to the store, near enough to be lost without harm. */
const AHEAD_MS = 1000
/** A place may become free on another host at any time, which nobody tells. */
const LEASE_POLL_MS = 500
const FAILURE_RETRY_MS = 1000
/** A slot that is used later than this, and than the next one begins, would make a crowd with those that follow. */
const LATE_MS = 20
/** A turn at a place that others want too: with one message each, a path would spend its connection rate on taking turns. */
const TURN_MS = 500
/** The wall clock may be put right meanwhile, and no timer is set for longer than 24 days. */
const SUSPENDED_POLL_MS = 60_000
const NO_CONNECTIONS: PathConnections = { count: () => 0, closeIdle: () => undefined }

/**
 * Lets the messages of one path go, no faster and no more at a time than it bears, however many processes and hosts
 * share it: slots and places are taken in the store, both at once or neither. A slot is reserved before it begins, so each
 * wakes one message at its time and no herd; which message that is is decided when it begins.
 */
export class PathDispatcher<Item extends Waiting> {
  private readonly queue: FairQueue<Item>
  private readonly timers: Timers
  private readonly clock: Clock
  private readonly places: Places
  private readonly contest: Contest
  private readonly connections: PathConnections
  /** Slots that are reserved and have not begun. */
  private reserved = 0
  /** When a place was last taken anew. */
  private turnSince = 0
  private active = 0
  private asking = false
  /** The last place that was asked for was not to be had. */
  private isStarved = false
  /** What the last message was kept by that wanted to go. */
  private keptBy: Exclude<PathHold, 'suspended' | 'warmup'> = 'nothing'
  private wake: (() => void) | undefined
  private closed = false

  constructor(private readonly options: PathDispatcherOptions<Item>) {
    const { path, store, shares, timers = REAL_TIMERS, clock = Date.now, connections = NO_CONNECTIONS } = options
    this.queue = new FairQueue(shares)
    this.timers = timers
    this.clock = clock
    this.connections = connections
    this.places = new Places(path, store, connections.count)
    this.contest = new Contest({ path, store, timers, isStarved: () => this.isStarved, onLook: () => this.pump() })
  }

  /** Messages that wait. */
  get waiting(): number {
    return this.queue.size
  }

  /** Deliveries under way in this process. */
  get underWay(): number {
    return this.active
  }

  /** Classes of which something waits, the most urgent first. */
  get classes(): ClassLoad[] {
    return MAIL_CLASSES.flatMap((mailClass) => {
      const oldestDueAt = this.queue.oldestOf(mailClass)
      return oldestDueAt === undefined ? [] : { mailClass, waiting: this.queue.sizeOf(mailClass), oldestDueAt }
    })
  }

  get hold(): PathHold {
    if (this.queue.size === 0) return 'nothing'
    const { suspendedUntil = 0, warmingUntil = 0 } = this.options.limits()
    if (suspendedUntil > this.clock()) return 'suspended'
    return warmingUntil > this.clock() ? 'warmup' : this.keptBy
  }

  /**
   * Whether another connection may be made, besides those that exist and those that are coming: there is a place for it. If
   * not, one that is idle is being closed.
   */
  mayConnect(coming = 0): boolean {
    if (this.connections.count() + coming < this.places.count) return true
    this.connections.closeIdle()
    return false
  }

  /** Throws when the message waits already. */
  add(item: Item): void {
    this.queue.push(item)
    // If not, it is known that nothing can go just now.
    if (!this.wake) this.pump()
  }

  /** Takes a message out; undefined when it does not wait. */
  remove(id: string): Item | undefined {
    const item = this.queue.remove(id)
    if (item) this.restIfIdle()
    return item
  }

  /** Limits have changed, or something may have become free. */
  pump(): void {
    if (this.closed || this.asking) return
    const limits = this.options.limits()
    const isAbove = this.places.count > this.contest.shareOf(limits.connections)
    // Another process waits for a place that is kept here for a connection that does nothing.
    if (this.places.keptCount > 0 && (isAbove || this.mustYield(limits.connections))) {
      this.connections.closeIdle()
    }
    if (this.queue.size <= this.reserved) return
    this.wake?.()
    this.wake = undefined
    const suspendedMs = (limits.suspendedUntil ?? 0) - this.clock()
    const isHeld = suspendedMs > 0 || (limits.warmingUntil ?? 0) > this.clock()
    if (isHeld) {
      // Nobody wants a place.
      this.contest.end()
      return this.pumpAfter(suspendedMs > 0 ? Math.min(suspendedMs, SUSPENDED_POLL_MS) : SUSPENDED_POLL_MS)
    }
    this.contest.begin()
    this.take(limits)
  }

  /** A connection of this process to the path is gone, or has become idle. */
  reconcile(): void {
    this.places
      .releaseSpare()
      .catch(this.options.onFailure)
      .then((released) => {
        const yieldMs = released === 0 ? 0 : this.contest.yieldMs(this.options.limits().connections)
        if (yieldMs > 0 && this.queue.size > 0) this.pumpAfter(yieldMs)
        else this.pump()
        this.restIfIdle()
      }, this.options.onFailure)
  }

  /** Prolongs the places of deliveries under way; to be called several times within PLACE_TTL_MS. */
  renew(): Promise<void> {
    return this.places.renew()
  }

  /** Nothing is let go any more; what waits is returned. Deliveries under way end as ever. */
  close(): Item[] {
    this.closed = true
    this.wake?.()
    this.contest.end()
    return [...this.queue]
  }

  /** Takes a place and a slot for the next message. */
  private take({ connections, rate }: PathLimits): void {
    const share = this.contest.shareOf(connections)
    const isOver = this.places.count > share || this.mustYield(connections)
    const known = isOver ? undefined : this.places.reuse()
    if (known === undefined && this.places.count >= share) {
      this.isStarved = false
      this.keptBy = 'connections'
      return this.pumpAfter(LEASE_POLL_MS)
    }
    const place = known === undefined ? this.places.ask(connections) : undefined
    const asks = this.asksFor(place, rate)
    if (known !== undefined && asks.length === 0) return this.took(known)
    this.asking = true
    const askedAt = this.timers.now()
    void this.judge(asks).then(
      (verdict) => this.heed(verdict, place, known, askedAt),
      (error: unknown) => {
        this.asking = false
        this.keptBy = 'store'
        if (known !== undefined) this.places.leave(known)
        this.options.onFailure(error)
        this.pumpAfter(FAILURE_RETRY_MS)
      },
    )
  }

  /** Where there are fewer places than processes that want one, each has its turn; who has nothing to send has had it. */
  private mustYield(connections: number): boolean {
    if (this.contest.yieldMs(connections) === 0) return false
    return this.queue.size <= this.reserved || this.timers.now() - this.turnSince >= TURN_MS
  }

  private asksFor(place: LeaseAsk | undefined, rate: PathLimits['rate']): Ask[] {
    const asks: Ask[] = place ? [place] : []
    if (!rate) return asks
    const key = pathKey('egress_rate', this.options.path)
    return [...asks, { op: 'rate', key, enforced: true, ...rate, cost: 1, aheadMs: AHEAD_MS }]
  }

  private async judge(asks: readonly Ask[]): Promise<Verdict> {
    return this.options.store().judge(asks)
  }

  private heed(
    { committed, answers }: Verdict,
    place: LeaseAsk | undefined,
    known: string | undefined,
    askedAt: number,
  ): void {
    this.asking = false
    const placed = place ? answers[0] : undefined
    const slot = answers[place ? 1 : 0]
    this.isStarved = placed?.ok === false
    this.keptBy = committed && !slot?.startsInMs ? 'nothing' : slot && !this.isStarved ? 'rate' : 'connections'
    if (committed) {
      if (place) {
        this.places.took(place.id)
        this.turnSince = this.timers.now()
      }
      return this.took(known ?? place!.id, slot && { at: askedAt + (slot.startsInMs ?? 0) })
    }
    if (known !== undefined) this.places.leave(known)
    const placeMs = this.contest.askAgainMs(LEASE_POLL_MS)
    this.pumpAfter(this.isStarved ? placeMs : (slot?.retryAfterMs ?? placeMs))
    // Whoever it was for may have been taken out meanwhile, and its connection be gone.
    this.reconcileIfSpare()
    this.restIfIdle()
  }

  /** A place is there, and a slot where the path has a rate. */
  private took(id: string, slot?: { readonly at: number }): void {
    this.reserved++
    const waitMs = slot ? slot.at - this.timers.now() : 0
    if (waitMs > 0) this.timers.after(waitMs, () => this.begin(id, slot))
    else this.begin(id, slot)
    this.pump()
  }

  /** A slot begins. */
  private begin(id: string, slot: { readonly at: number } | undefined): void {
    this.reserved--
    if (slot && this.timers.now() - slot.at > Math.max(LATE_MS, this.options.limits().rate?.intervalMs ?? 0)) {
      // This process was held up. The message gets another slot; this one is lost to the rate.
      this.places.leave(id)
      return this.pump()
    }
    const item = this.closed ? undefined : this.queue.take()
    if (!item) {
      // Whoever it was for has been taken out meanwhile.
      this.places.leave(id)
      return this.reconcile()
    }
    this.active++
    const admission = this.options.admit?.(item)
    if (!admission) return this.send(item, id)
    void admission.then((may) => {
      if (may === 'go' && !this.closed) return this.send(item, id)
      // What is closed goes nowhere any more.
      if (may === 'wait' || may === 'go') this.queue.putBack(item)
      else may.elsewhere()
      this.leave(id)
    })
  }

  private send(item: Item, id: string): void {
    let ended = false
    const end = () => {
      if (ended) return
      ended = true
      this.leave(id)
    }
    this.options.send({ item, end })
  }

  /** What held a place is under way no more. */
  private leave(id: string): void {
    this.active--
    this.places.leave(id)
    this.reconcile()
  }

  private reconcileIfSpare(): void {
    if (this.places.keptCount > 0 && this.places.count > this.connections.count()) this.reconcile()
  }

  private restIfIdle(): void {
    if (this.queue.size === 0 && this.places.keptCount === 0) this.contest.end()
    if (this.asking || this.queue.size > 0 || this.places.count > 0) return
    this.wake?.()
    this.wake = undefined
    this.options.onIdle?.()
  }

  private pumpAfter(ms: number): void {
    if (this.closed) return
    this.wake?.()
    this.wake = this.timers.after(Math.max(1, Math.ceil(ms)), () => {
      this.wake = undefined
      this.pump()
    })
  }
}

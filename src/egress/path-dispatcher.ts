import { randomBytes } from 'node:crypto'
import { type Ask, type Clock, LEASE_ID_LENGTH, type LeaseRef, type Store, type Verdict } from '../store/store'
import { FairQueue, type Shares, type Waiting } from './fair-queue'
import { pathKey } from './path-key'
import { REAL_TIMERS, type Timers } from './timers'

/** What a path bears. */
export interface PathLimits {
  /** Deliveries under way at a time, on all hosts together. */
  readonly connections: number
  /** One message each `intervalMs`, up to `burst` at once; undefined: as fast as connections allow. */
  readonly rate: { readonly intervalMs: number; readonly burst: number } | undefined
  /** Nothing goes before this, milliseconds since 1970. What has a slot already, for at most a second, still goes. */
  readonly suspendedUntil?: number | undefined
}

/** A message may go: it holds a place among the deliveries of its path until it is ended. */
export interface Grant<Item> {
  readonly item: Item
  /** The attempt is over, however it ended. Idempotent: a message may end in several ways at once. */
  readonly end: () => void
}

export interface PathDispatcherOptions<Item extends Waiting> {
  /** Names the path in the store, such as `default|google`: all hosts that share the store share its limits. */
  readonly path: string
  readonly limits: () => PathLimits
  readonly store: () => Store
  /** Sends a message. Must not throw. */
  readonly send: (grant: Grant<Item>) => void
  /** The store could not be asked; mail waits, and it is asked again. */
  readonly onFailure: (error: unknown) => void
  /** Nothing waits, and nothing is under way: whoever keeps the dispatcher may forget it. */
  readonly onIdle?: () => void
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
/** The wall clock may be put right meanwhile, and no timer is set for longer than 24 days. */
const SUSPENDED_POLL_MS = 60_000
/** A delivery that nobody ends, because its process died, frees its place after this; one that lives is prolonged. */
export const PLACE_TTL_MS = 60_000

/**
 * Lets the messages of one path go, no faster and no more at a time than it bears, however many processes and hosts
 * share it: slots and places are taken in the store, both at once or neither. A slot is reserved before it begins, so each
 * wakes one message at its time and no herd; which message that is is decided when it begins.
 */
export class PathDispatcher<Item extends Waiting> {
  private readonly queue: FairQueue<Item>
  private readonly timers: Timers
  private readonly clock: Clock
  /** Slots that are reserved and have not begun. */
  private reserved = 0
  private asking = false
  private wake: (() => void) | undefined
  private readonly places = new Set<string>()
  private closed = false

  constructor(private readonly options: PathDispatcherOptions<Item>) {
    this.queue = new FairQueue(options.shares)
    this.timers = options.timers ?? REAL_TIMERS
    this.clock = options.clock ?? Date.now
  }

  /** Messages that wait. */
  get waiting(): number {
    return this.queue.size
  }

  /** Deliveries under way in this process. */
  get underWay(): number {
    return this.places.size - this.reserved
  }

  /** Throws when the message waits already. */
  add(item: Item): void {
    this.queue.push(item)
    this.pump()
  }

  /** Takes a message out; undefined when it does not wait. */
  remove(id: string): Item | undefined {
    const item = this.queue.remove(id)
    if (item) this.restIfIdle()
    return item
  }

  /** Limits have changed, or something may have become free. */
  pump(): void {
    if (this.closed || this.asking || this.queue.size <= this.reserved) return
    this.wake?.()
    this.wake = undefined
    const limits = this.options.limits()
    const suspendedMs = (limits.suspendedUntil ?? 0) - this.clock()
    if (suspendedMs > 0) return this.pumpAfter(Math.min(suspendedMs, SUSPENDED_POLL_MS))
    this.asking = true
    const id = newPlaceId()
    void this.ask(id, limits).then(
      (verdict) => this.heed(id, verdict),
      (error: unknown) => {
        this.asking = false
        this.options.onFailure(error)
        this.pumpAfter(FAILURE_RETRY_MS)
      },
    )
  }

  /** Prolongs the places of deliveries under way; to be called several times within {@link PLACE_TTL_MS}. */
  async renew(): Promise<void> {
    const leases = [...this.places].map((id) => this.placeOf(id))
    if (leases.length > 0) await this.options.store().renew(leases, PLACE_TTL_MS)
  }

  /** Nothing is let go any more; what waits is returned. Deliveries under way end as ever. */
  close(): Item[] {
    this.closed = true
    this.wake?.()
    return [...this.queue]
  }

  private async ask(id: string, { connections, rate }: PathLimits): Promise<Verdict> {
    const place: Ask = { op: 'lease', ...this.placeOf(id), enforced: true, limit: connections, ttlMs: PLACE_TTL_MS }
    if (!rate) return this.options.store().judge([place])
    const { intervalMs, burst } = rate
    const key = pathKey('egress_rate', this.options.path)
    return this.options
      .store()
      .judge([place, { op: 'rate', key, enforced: true, intervalMs, burst, cost: 1, aheadMs: AHEAD_MS }])
  }

  private heed(id: string, { committed, answers }: Verdict): void {
    this.asking = false
    const [place, slot] = answers
    if (!committed) {
      this.pumpAfter(place?.ok === false ? LEASE_POLL_MS : (slot?.retryAfterMs ?? LEASE_POLL_MS))
      // Whoever it was for may have been taken out meanwhile.
      this.restIfIdle()
      return
    }
    this.places.add(id)
    this.reserved++
    const startsInMs = slot?.startsInMs ?? 0
    if (startsInMs > 0) this.timers.after(startsInMs, () => this.begin(id))
    else this.begin(id)
    this.pump()
  }

  /** A slot begins. */
  private begin(id: string): void {
    this.reserved--
    const item = this.closed ? undefined : this.queue.take()
    let ended = false
    const end = () => {
      if (ended) return
      ended = true
      this.giveBack(id)
    }
    if (item) this.options.send({ item, end })
    // Whoever it was for has been taken out meanwhile.
    else end()
  }

  private giveBack(id: string): void {
    this.places.delete(id)
    void this.release(id)
      .catch(this.options.onFailure)
      .then(() => {
        this.pump()
        this.restIfIdle()
      })
  }

  private async release(id: string): Promise<void> {
    await this.options.store().release([this.placeOf(id)])
  }

  private restIfIdle(): void {
    if (this.asking || this.queue.size > 0 || this.places.size > 0) return
    this.wake?.()
    this.wake = undefined
    this.options.onIdle?.()
  }

  private placeOf(id: string): LeaseRef {
    return { key: pathKey('egress_place', this.options.path), id }
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

function newPlaceId(): string {
  return randomBytes(LEASE_ID_LENGTH / 2).toString('hex')
}

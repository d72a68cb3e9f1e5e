import { access } from 'node:fs/promises'
import { Dispatcher, type PathLoad } from '../../egress/dispatcher'
import type { Waiting } from '../../egress/fair-queue'
import type { PathBook } from '../../egress/path-book'
import type { Grant, PathLimits } from '../../egress/path-dispatcher'
import { PLACE_TTL_MS } from '../../egress/places'
import type { EgressProfile } from '../../egress/profile'
import { DEFAULT_SOURCE, type Destination, type ResolvedPath } from '../../egress/rules'
import type { Store } from '../../store/store'
import { DENYSOFT, OK } from '../types'
import type { Endings } from './endings'
import { type QueueItem, dueAt, messageId, takeOver } from './queue-item'
import type { Route, Routes } from './routes'
import { splitUp } from './split'
import type { Mx } from './types'

/** A message that waits, or is under way. */
interface Delivery extends Waiting {
  readonly item: QueueItem
  /** Lets Haraka go on with it. */
  readonly proceed: () => void
  readonly destination: Destination
  readonly path: ResolvedPath
  readonly route: Extract<Route, { kind: 'hosts' | 'fixed' }>
}

export interface DeliveriesOptions {
  readonly book: PathBook
  readonly routes: Routes
  readonly endings: Endings
  readonly store: () => Store
  /** Deliveries under way at a time in this process, over all paths: each has a socket. */
  readonly mostUnderWay: () => number
  /** Puts messages into Haraka's delivery queue. */
  readonly enqueue: (items: readonly QueueItem[]) => void
  readonly onFailure: (what: string, error: unknown) => void
  readonly onNotice: (message: string) => void
}

/** Prolonged several times within {@link PLACE_TTL_MS}. */
const RENEW_MS = PLACE_TTL_MS / 4
const SWEEP_MS = 60_000
const MOST_LATELY = 10_000

/**
 * The messages of this process on their way out. Haraka hands over what is due (send_email) and gets its slot back at
 * once; the message waits here for its path, and goes on through Haraka when the path has room. Whatever becomes of it,
 * the path learns once that it is over.
 */
export class Deliveries {
  private readonly dispatcher: Dispatcher<Delivery>
  /** What waits or is under way, by message: a second file of the same message must not be delivered. */
  private readonly known = new Map<string, Delivery | undefined>()
  private readonly current = new WeakMap<QueueItem, Delivery>()
  /** One destination of each path that has something to do. */
  private readonly destinations = new Map<string, Destination>()
  /** Where mail to a domain went last. */
  private readonly lately = new Map<string, Destination>()
  /** May go by their path, and wait for this process to have less under way. */
  private readonly ready: Grant<Delivery>[] = []
  private underWay = 0
  private readonly timers: NodeJS.Timeout[]

  constructor(private readonly options: DeliveriesOptions) {
    this.dispatcher = new Dispatcher((path) => ({
      path,
      limits: () => limitsOf(options.book.profileOf(this.destinations.get(path)!)),
      store: options.store,
      send: (grant) => this.begin(grant),
      onFailure: (error) => options.onFailure('asking the store for a slot', error),
    }))
    this.timers = [setInterval(() => this.renew(), RENEW_MS), setInterval(() => this.sweep(), SWEEP_MS)]
    for (const timer of this.timers) timer.unref()
  }

  /** Paths that have something to do, the busiest first. */
  loads(): PathLoad[] {
    return this.dispatcher.loads()
  }

  /**
   * What holds for a message. One that Haraka has split off from another on the way has no path yet: then what holds for
   * its domain as far as is known without asking.
   */
  profileOf(item: QueueItem): EgressProfile {
    const { book } = this.options
    const domain = item.todo?.domain ?? ''
    const destination = this.current.get(item)?.destination ?? this.lately.get(domain)
    return book.profileOf(destination ?? { domain, mx: [domain], source: DEFAULT_SOURCE })
  }

  /** Takes a message that is due. `proceed` is Haraka's next of send_email. */
  admit(item: QueueItem, proceed: () => void): void {
    const id = messageId(item.filename)
    const isKnown = this.known.has(id)
    takeOver(item, () => undefined)
    if (isKnown) return this.options.onNotice(`${item.filename} is under way already, as a second copy is left alone`)
    this.known.set(id, undefined)
    void this.place(id, item, proceed).catch((error: unknown) => {
      this.options.onFailure('placing a message', error)
      this.endAs(id, item, () => item.temp_fail(`it could not be placed: ${String(error)}`))
    })
  }

  /** Nothing is sent any more; what waits stays in the queue's files. */
  close(): void {
    for (const timer of this.timers) clearInterval(timer)
    this.dispatcher.close()
  }

  private async place(id: string, item: QueueItem, proceed: () => void): Promise<void> {
    const { book, routes, endings } = this.options
    const { todo } = item
    if (!todo || endings.isTooOld(todo)) return this.endAs(id, item, () => endings.expire(item))
    const route = await routes.find(item, todo.domain)
    if (route.kind === 'null') {
      return this.answer(id, item, proceed, () => item.get_mx_respond(OK, { exchange: '', priority: 0 }))
    }
    if (route.kind === 'nowhere') {
      return this.answer(id, item, proceed, () => item.get_mx_respond(route.code, route.why))
    }
    const destination = { domain: todo.domain, mx: namesOf(route, todo.domain), source: DEFAULT_SOURCE }
    const path = book.resolve(destination)
    const { sizeBytes, recipients } = path.profile
    if (sizeBytes !== undefined && item.file_size - item.data_start > sizeBytes) {
      return this.endAs(id, item, () => endings.refuseSize(item, sizeBytes))
    }
    if (recipients !== undefined && todo.rcpt_to.length > recipients) return this.split(id, item, recipients)
    const label = { mailClass: 'system', tenant: '', dueAt: dueAt(item.filename) } as const
    const delivery: Delivery = { id, ...label, item, proceed, destination, path, route }
    this.known.set(id, delivery)
    this.current.set(item, delivery)
    if (this.lately.size >= MOST_LATELY) this.lately.delete(this.lately.keys().next().value!)
    this.lately.set(todo.domain, destination)
    if (!this.destinations.has(path.path)) this.destinations.set(path.path, destination)
    this.dispatcher.add(path.path, delivery)
  }

  /** Lets Haraka go on at once, to what it does with an answer about its domain. */
  private answer(id: string, item: QueueItem, proceed: () => void, respond: () => void): void {
    item.next_cb = () => this.known.delete(id)
    item.get_mx = respond
    proceed()
  }

  /** Ends an attempt that has not begun, in another way than by trying. */
  private endAs(id: string, item: QueueItem, end: () => void): void {
    item.next_cb = () => this.known.delete(id)
    // The other hooks of send_email are not asked any more.
    item.hooks_to_run = []
    end()
  }

  private async split(id: string, item: QueueItem, most: number): Promise<void> {
    const parts = await splitUp(item, most)
    this.known.delete(id)
    this.options.enqueue(parts)
  }

  /** The path has room for it. */
  private begin(grant: Grant<Delivery>): void {
    if (this.underWay >= this.options.mostUnderWay()) {
      this.ready.push(grant)
      return
    }
    this.underWay++
    const { item } = grant.item
    let isOver = false
    const end = () => {
      if (isOver) return
      isOver = true
      this.end(grant)
    }
    void this.start(grant.item, end).catch((error: unknown) => {
      this.options.onFailure('beginning a delivery', error)
      item.next_cb = end
      item.hooks_to_run = []
      item.temp_fail(`it could not be begun: ${String(error)}`)
    })
  }

  private async start({ item, route, proceed }: Delivery, end: () => void): Promise<void> {
    if (!(await isThere(item.path))) {
      this.options.onNotice(`${item.filename} is gone: it was delivered as another copy, or removed by hand`)
      return end()
    }
    const mx = route.kind === 'fixed' ? route.mx : await this.options.routes.addressesOf(route.hosts)
    item.next_cb = end
    item.get_mx = () => {
      if (mx.length > 0) item.get_mx_respond(OK, mx)
      else item.get_mx_respond(DENYSOFT, 'none of its MX hosts has an address')
    }
    this.options.endings.prepare(item)
    proceed()
  }

  private end({ item: { id }, end }: Grant<Delivery>): void {
    this.known.delete(id)
    this.underWay--
    end()
    const next = this.ready.shift()
    if (next) this.begin(next)
  }

  private renew(): void {
    this.dispatcher.renew().catch((error: unknown) => this.options.onFailure('prolonging deliveries', error))
    const live = new Set(this.dispatcher.loads().map(({ path }) => path))
    for (const path of this.destinations.keys()) if (!live.has(path)) this.destinations.delete(path)
  }

  /** Ends what has waited beyond its time. */
  private sweep(): void {
    for (const [id, delivery] of this.known) {
      if (!delivery || !this.dispatcher.has(id) || !this.options.endings.isTooOld(delivery.item.todo!)) continue
      this.dispatcher.remove(id)
      this.endAs(id, delivery.item, () => this.options.endings.expire(delivery.item))
    }
  }
}

function limitsOf({ connections, messageRate }: EgressProfile): PathLimits {
  const rate = messageRate && { intervalMs: messageRate.windowMs / messageRate.limit, burst: 1 }
  return { connections, rate }
}

/** By what a provider is known. */
function namesOf(route: Delivery['route'], domain: string): string[] {
  if (route.kind === 'hosts') return route.hosts.map(({ host }) => host)
  const names = route.mx.map((mx: Mx) => mx.from_dns ?? mx.exchange ?? mx.path ?? domain)
  return names.length > 0 ? names : [domain]
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

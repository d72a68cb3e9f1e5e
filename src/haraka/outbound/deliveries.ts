import { access } from 'node:fs/promises'
import { Attempt } from '../../egress/attempt'
import { Dispatcher, type PathFigures, type PathLoad } from '../../egress/dispatcher'
import type { Waiting } from '../../egress/fair-queue'
import type { PathBook } from '../../egress/path-book'
import type { Hold } from '../../egress/path-load'
import type { Grant, PathConnections, PathLimits } from '../../egress/path-dispatcher'
import { PLACE_TTL_MS } from '../../egress/places'
import type { EgressProfile } from '../../egress/profile'
import { DEFAULT_SOURCE, type Destination, type ResolvedPath } from '../../egress/rules'
import { Recent } from '../../egress/recent'
import { type Source, bindFor } from '../../egress/sources'
import type { Store } from '../../store/store'
import { DENYSOFT, OK } from '../types'
import type { AttemptEnd } from './attempt-event'
import { ConnectGate } from './connect-gate'
import { type SessionDemands, type SessionPolicy, demandsOfProfile } from './demands'
import type { Endings, LastAttempt } from './endings'
import type { KnownMessage } from './errands'
import type { Label } from './label'
import { type QueueItem, dueAt, messageId, takeOver } from './queue-item'
import { type Route, type Routes, namesOf } from './routes'
import { splitUp } from './split'
import type { HMail, Mx } from './types'

/** A message that waits, or is under way. */
interface Delivery extends Waiting {
  readonly item: QueueItem
  /** Lets Haraka go on with it. */
  readonly proceed: () => void
  readonly destination: Destination
  readonly path: ResolvedPath
  readonly route: Extract<Route, { kind: 'hosts' | 'fixed' }>
  readonly source: Source
  beganAt: number
  /** There is one from when it begins. */
  attempt: Attempt | undefined
  retryAt: number | undefined
}

export interface DeliveriesOptions {
  readonly book: PathBook
  readonly routes: Routes
  readonly endings: Endings
  readonly store: () => Store
  readonly labelOf: (item: QueueItem) => Label
  /** What a message is sent from, to hosts of such names. */
  readonly sourceFor: (item: QueueItem, label: Label, hosts: readonly string[]) => Source
  readonly limitsUnder: (path: string, profile: EgressProfile) => PathLimits
  /** Connections of this process to a path. */
  readonly connections: (path: string) => PathConnections
  /** Deliveries under way at a time in this process, over all paths: each has a socket. */
  readonly mostUnderWay: () => number
  /** Puts messages into Haraka's delivery queue. */
  readonly enqueue: (items: readonly QueueItem[]) => void
  readonly onAttempt: (end: AttemptEnd) => void
  readonly onFailure: (what: string, error: unknown) => void
  readonly onNotice: (message: string) => void
}

/** `left`: it was not there to be ended; `put off`: its end failed, and it is tried again. */
export type Ended = 'ended' | 'left' | 'put off'

/** What this process has to do for a path. */
export interface Work extends Omit<PathFigures, 'hold'> {
  readonly provider: string | undefined
  /** All there are: being made, in use, idle. */
  readonly connections: number
  readonly limits: PathLimits
  /** `connection_rate`: what may go waits to connect; `process`: this process has all under way that it may. */
  readonly hold: Hold
}

/** Prolonged several times within {@link PLACE_TTL_MS}. */
const RENEW_MS = PLACE_TTL_MS / 4
const SWEEP_MS = 60_000
const MOST_LATELY = 10_000
/** What was to be tried so long ago, and did not come, has ended in some other way. */
const FORGET_MS = 3_600_000

/**
 * The messages of this process on their way out. Haraka hands over what is due (send_email) and gets its slot back at
 * once; the message waits here for its path, and goes on through Haraka when the path has room. Whatever becomes of it,
 * the path learns once that it is over.
 */
export class Deliveries implements SessionPolicy {
  private readonly dispatcher: Dispatcher<Delivery>
  private readonly gate: ConnectGate
  /** What waits or is under way, by message: a second file of the same message must not be delivered. */
  private readonly known = new Map<string, Delivery | undefined>()
  private readonly current = new WeakMap<HMail, Delivery>()
  /** One destination of each path that has something to do. */
  private readonly destinations = new Map<string, Destination>()
  /** Where mail to a domain went last. */
  private readonly lately = new Recent<Destination>(MOST_LATELY)
  /** By Haraka's id of the message, which its parts share when it is split. */
  private readonly attempts = new Recent<LastAttempt>(MOST_LATELY)
  /** May go by their path, and wait for this process to have less under way. */
  private readonly ready: Grant<Delivery>[] = []
  private underWay = 0
  /** What this process has tried and is to try again, by message. */
  private readonly putOff = new Map<string, Delivery>()
  private readonly timers: NodeJS.Timeout[]

  constructor(private readonly options: DeliveriesOptions) {
    const { store } = options
    this.dispatcher = new Dispatcher((path) => ({
      path,
      limits: () => options.limitsUnder(path, options.book.profileOf(this.destinations.get(path)!)),
      store,
      connections: options.connections(path),
      send: (grant) => this.begin(grant),
      onFailure: (error) => options.onFailure('asking the store for a slot', error),
    }))
    this.gate = new ConnectGate({ hasPlace: (path, coming) => this.dispatcher.mayConnect(path, coming), store })
    this.timers = [setInterval(() => this.renew(), RENEW_MS), setInterval(() => this.sweep(), SWEEP_MS)]
    for (const timer of this.timers) timer.unref()
  }

  /** Paths that have something to do, the busiest first. */
  loads(): PathLoad[] {
    return this.dispatcher.loads()
  }

  /** All that this process has to do, by path. Does not look at each message. */
  *work(): IterableIterator<Work> {
    const ready = new Set(this.ready.map(({ item }) => item.path.path))
    for (const figures of this.dispatcher.figures()) {
      const { path, hold } = figures
      const { provider, profile } = this.options.book.resolve(this.destinations.get(path)!)
      const held = ready.has(path) ? 'process' : this.gate.isAtRate(path) ? 'connection_rate' : hold
      yield {
        ...figures,
        provider,
        connections: this.options.connections(path).count(),
        limits: this.options.limitsUnder(path, profile),
        hold: hold === 'suspended' ? hold : held,
      }
    }
  }

  /** All that waits or is under way; what is just being placed has neither domain nor path. Looks at each message. */
  *inHand(): IterableIterator<KnownMessage> {
    for (const [id, delivery] of this.known) {
      const isWaiting = delivery !== undefined && this.dispatcher.has(id)
      yield { id, domain: delivery?.destination.domain, path: delivery?.path.path, isWaiting }
    }
  }

  /** A message that this process is to try again. */
  recall(id: string): { readonly item: QueueItem; readonly domain: string; readonly path: string } | undefined {
    const delivery = this.putOff.get(id)
    return delivery && { item: delivery.item, domain: delivery.destination.domain, path: delivery.path.path }
  }

  /** The path that a message would take; undefined when it has nowhere to go. */
  async pathFor(item: QueueItem): Promise<string | undefined> {
    const route = await this.options.routes.find(item, item.todo!.domain)
    if (route.kind !== 'hosts' && route.kind !== 'fixed') return undefined
    return this.deliveryOf('', item, route, () => undefined).path.path
  }

  /** Ends a message that waits for its path. */
  async endWaiting(id: string, end: (item: QueueItem) => void): Promise<Ended> {
    const delivery = this.dispatcher.remove(id)
    return delivery ? this.endNow(id, delivery.item, end) : 'left'
  }

  /** Ends a message that is to be tried again. Whoever calls has taken it out of Haraka's hands. */
  async endPutOff(item: QueueItem, end: (item: QueueItem) => void): Promise<Ended> {
    const id = messageId(item.filename)
    if (this.known.has(id)) return 'left'
    this.putOff.delete(id)
    return this.endNow(id, item, end)
  }

  /**
   * What holds for a message. One that Haraka has split off from another on the way has no path yet: then what holds for
   * its domain as far as is known without asking.
   */
  profileOf(item: QueueItem): EgressProfile {
    const domain = item.todo?.domain ?? ''
    const destination = this.current.get(item)?.destination ?? this.lately.get(domain)
    return this.options.book.profileOf(destination ?? { domain, mx: [domain], source: DEFAULT_SOURCE })
  }

  lastAttempt({ todo }: QueueItem): LastAttempt | undefined {
    return todo ? this.attempts.get(todo.uuid) : undefined
  }

  /** The message is tried again then. */
  noteRetry(item: QueueItem, at: number): void {
    const delivery = this.current.get(item)
    if (delivery) delivery.retryAt = at
  }

  /** What holds for a path has changed. */
  pump(path: string): void {
    this.dispatcher.pump(path)
  }

  /** Takes a message that is due. `proceed` is Haraka's next of send_email. */
  admit(item: QueueItem, proceed: () => void): void {
    const id = messageId(item.filename)
    const isKnown = this.known.has(id)
    takeOver(item, () => undefined)
    if (isKnown) return this.options.onNotice(`${item.filename} is under way already, a second copy is left alone`)
    this.known.set(id, undefined)
    this.putOff.delete(id)
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

  demandsOf(item: HMail): SessionDemands {
    const { path } = this.current.get(item)?.path ?? { path: '' }
    return demandsOfProfile(path, this.profileOf(item as QueueItem))
  }

  attemptOf(item: HMail): Attempt | undefined {
    return this.current.get(item)?.attempt
  }

  mayConnect(item: HMail): Promise<void> | undefined {
    const delivery = this.current.get(item)
    return delivery && this.gate.ask(delivery.path.path, this.profileOf(delivery.item).connectionRate)
  }

  changed(path: string): void {
    this.gate.changed(path)
    this.dispatcher.reconcile(path)
  }

  private async place(id: string, item: QueueItem, proceed: () => void): Promise<void> {
    const { routes, endings } = this.options
    const { todo } = item
    if (!todo || endings.isTooOld(todo)) return this.endAs(id, item, () => endings.expire(item))
    const route = await routes.find(item, todo.domain)
    if (route.kind === 'null') {
      return this.answer(id, item, proceed, () => item.get_mx_respond(OK, { exchange: '', priority: 0 }))
    }
    if (route.kind === 'nowhere') {
      return this.answer(id, item, proceed, () => item.get_mx_respond(route.code, route.why))
    }
    const delivery = this.deliveryOf(id, item, route, proceed)
    const { sizeBytes, recipients } = delivery.path.profile
    if (sizeBytes !== undefined && item.file_size - item.data_start > sizeBytes) {
      return this.endAs(id, item, () => endings.refuseSize(item, sizeBytes))
    }
    if (recipients !== undefined && todo.rcpt_to.length > recipients) return this.split(id, item, recipients)
    this.wait(delivery)
  }

  private deliveryOf(id: string, item: QueueItem, route: Delivery['route'], proceed: () => void): Delivery {
    const { book, labelOf, sourceFor } = this.options
    const { domain } = item.todo!
    const mx = namesOf(route, domain)
    const label = labelOf(item)
    const source = sourceFor(item, label, mx)
    const destination = { domain, mx, source: source.name }
    return {
      id,
      mailClass: label.mailClass,
      tenant: label.tenant ?? '',
      dueAt: dueAt(item.filename),
      item,
      proceed,
      destination,
      path: book.resolve(destination),
      route,
      source,
      beganAt: 0,
      attempt: undefined,
      retryAt: undefined,
    }
  }

  private wait(delivery: Delivery): void {
    const { id, item, path, destination } = delivery
    this.known.set(id, delivery)
    this.current.set(item, delivery)
    this.lately.set(destination.domain, destination)
    if (!this.destinations.has(path.path)) this.destinations.set(path.path, destination)
    this.dispatcher.add(path.path, delivery)
  }

  /** Lets Haraka go on at once, to what it does with an answer about its domain. */
  private answer(id: string, item: QueueItem, proceed: () => void, respond: () => void): void {
    item.next_cb = () => this.known.delete(id)
    item.get_mx = respond
    this.options.endings.prepare(item)
    proceed()
  }

  /** Ends an attempt that has not begun, in another way than by trying. */
  private endAs(id: string, item: QueueItem, end: () => void): void {
    item.next_cb = () => this.known.delete(id)
    // The other hooks of send_email are not asked any more.
    item.hooks_to_run = []
    end()
  }

  private endNow(id: string, item: QueueItem, end: (item: QueueItem) => void): Promise<Ended> {
    const { filename } = item
    return new Promise((resolve) => {
      this.known.set(id, undefined)
      item.next_cb = () => {
        this.known.delete(id)
        // One that is put off has another name.
        resolve(item.filename === filename ? 'ended' : 'put off')
      }
      item.hooks_to_run = []
      end(item)
    })
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
    const delivery = grant.item
    const { item } = delivery
    let isOver = false
    const end = () => {
      if (isOver) return
      isOver = true
      this.end(grant)
    }
    void this.start(delivery, end).catch((error: unknown) => {
      this.options.onFailure('beginning a delivery', error)
      item.next_cb = end
      item.hooks_to_run = []
      item.temp_fail(`it could not be begun: ${String(error)}`)
    })
  }

  private async start(delivery: Delivery, end: () => void): Promise<void> {
    const { item, proceed } = delivery
    delivery.beganAt = Date.now()
    if (!(await isThere(item.path))) {
      this.options.onNotice(`${item.filename} is gone: it was delivered as another copy, or removed by hand`)
      return end()
    }
    delivery.attempt = new Attempt(item.todo!.rcpt_to.map(({ address }) => address))
    const mx = await this.hostsFor(delivery)
    item.next_cb = end
    item.get_mx = () => {
      if (mx.length > 0) item.get_mx_respond(OK, mx)
      else item.get_mx_respond(DENYSOFT, 'none of its MX hosts has an address that we can get to')
    }
    this.options.endings.prepare(item)
    proceed()
  }

  /** The hosts to try, each with what it is to be connected from. */
  private async hostsFor({ route, source }: Delivery): Promise<Mx[]> {
    const helo = source.helo === undefined ? {} : { bind_helo: source.helo }
    if (route.kind === 'fixed') {
      const bound = (mx: Mx) => mx.bind ?? (mx.exchange ? bindFor(source, mx.exchange)?.address : undefined)
      return route.mx.map((mx) => Object.assign(mx, helo, { bind: bound(mx) }))
    }
    const addresses = await this.options.routes.addressesOf(route.hosts)
    return addresses.flatMap((mx) => {
      const bind = bindFor(source, mx.exchange!)
      return bind ? { ...mx, ...helo, ...(bind.address === undefined ? {} : { bind: bind.address }) } : []
    })
  }

  private end({ item: delivery, end }: Grant<Delivery>): void {
    const { id, item, attempt } = delivery
    this.known.delete(id)
    if (delivery.retryAt !== undefined) this.putOff.set(id, delivery)
    this.underWay--
    end()
    const next = this.ready.shift()
    if (next) this.begin(next)
    if (!attempt) return
    const at = Date.now()
    this.attempts.set(item.todo!.uuid, { attempt, at })
    this.options.onAttempt({ ...delivery, attempt, at })
  }

  private renew(): void {
    this.dispatcher.renew().catch((error: unknown) => this.options.onFailure('prolonging deliveries', error))
    const live = new Set(this.dispatcher.loads().map(({ path }) => path))
    for (const path of this.destinations.keys()) if (!live.has(path)) this.destinations.delete(path)
  }

  /** Ends what has waited beyond its time, and tells of what is late. */
  private sweep(): void {
    const { endings } = this.options
    const past = Date.now() - FORGET_MS
    for (const [id, { retryAt }] of this.putOff) if (retryAt! < past) this.putOff.delete(id)
    for (const [id, delivery] of this.known) {
      if (!delivery || !this.dispatcher.has(id)) continue
      const { item } = delivery
      if (endings.isTooOld(item.todo!)) {
        this.dispatcher.remove(id)
        this.endAs(id, item, () => endings.expire(item))
      } else endings.tellOfDelay(item, 'It waits for its turn: its provider takes no more at a time.')
    }
  }
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

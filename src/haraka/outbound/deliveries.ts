import { access } from 'node:fs/promises'
import { Attempt } from '../../egress/attempt'
import { Dispatcher, type PathLoad } from '../../egress/dispatcher'
import type { Waiting } from '../../egress/fair-queue'
import type { PathBook } from '../../egress/path-book'
import type { Grant, PathConnections, PathLimits } from '../../egress/path-dispatcher'
import { PLACE_TTL_MS } from '../../egress/places'
import type { EgressProfile } from '../../egress/profile'
import { DEFAULT_SOURCE, type Destination, type ResolvedPath } from '../../egress/rules'
import { Recent } from '../../egress/recent'
import { type Source, bindFor } from '../../egress/sources'
import type { Store } from '../../store/store'
import { OK } from '../types'
import type { AttemptEnd, Untried } from './attempt-event'
import { ConnectGate } from './connect-gate'
import { type SessionDemands, type SessionPolicy, demandsOfProfile } from './demands'
import { type Endings, tooLarge } from './endings'
import type { Label } from './label'
import { type LastAttempt, LastAttempts } from './last-attempts'
import { type QueueItem, dueAt, messageId, takeOver } from './queue-item'
import { type Route, type Routes, namesOf, noAddress } from './routes'
import { splitUp } from './split'
import type { HMail, Mx } from './types'

/** A message that waits, or is under way. */
interface Delivery extends Waiting {
  readonly item: QueueItem
  /** Lets Haraka go on with it. */
  readonly proceed: () => void
  readonly route: Extract<Route, { kind: 'hosts' | 'fixed' }>
  /** These three may change while it waits. */
  destination: Destination
  path: ResolvedPath
  source: Source
  beganAt: number
  /** There is one from when it begins. */
  attempt: Attempt | undefined
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

/** Prolonged several times within {@link PLACE_TTL_MS}. */
const RENEW_MS = PLACE_TTL_MS / 4
const SWEEP_MS = 60_000
const TOO_OLD: Untried = { isFinal: true, status: '5.4.7', why: 'It has waited too long for its turn.' }
const MOST_LATELY = 10_000
/** Of what waits; more would keep the process from its other work. */
const LOOKS_IN_A_TURN = 500

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
  /** When messages are tried again. */
  private readonly retries = new WeakMap<QueueItem, number>()
  /** The destination that came last of each path that has something to do; all of a path share its limits. */
  private readonly destinations = new Map<string, Destination>()
  /** Where mail to a domain went last. */
  private readonly lately = new Recent<Destination>(MOST_LATELY)
  private readonly attempts = new LastAttempts()
  /** May go by their path, and wait for this process to have less under way. */
  private readonly ready: Grant<Delivery>[] = []
  private underWay = 0
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

  /** What waits, in no particular order. */
  *held(): IterableIterator<{ readonly path: ResolvedPath; readonly dueAt: number; readonly mailClass: string }> {
    for (const [id, delivery] of this.known) if (delivery && this.dispatcher.has(id)) yield delivery
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
    return todo ? this.attempts.of(todo) : undefined
  }

  /** The message is tried again then. */
  noteRetry(item: QueueItem, at: number): void {
    this.retries.set(item, at)
  }

  /** What holds for a path has changed. */
  pump(path: string): void {
    this.dispatcher.pump(path)
  }

  /**
   * Where messages go, or what from, may not be what it was: those that wait, of all paths or of some, go on waiting where
   * they belong now.
   */
  async reconsider(isOf: (path: string) => boolean = () => true): Promise<void> {
    let looked = 0
    for (const [id, delivery] of this.known) {
      if (!delivery || !this.dispatcher.has(id) || !isOf(delivery.path.path)) continue
      const before = delivery.path.path
      Object.assign(delivery, this.wayOf(delivery.item, delivery.route))
      this.destinations.set(delivery.path.path, delivery.destination)
      if (delivery.path.path !== before) {
        this.dispatcher.remove(id)
        this.wait(delivery)
      }
      if (++looked % LOOKS_IN_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    for (const { path } of this.loads()) this.pump(path)
  }

  /** Takes a message that is due. `proceed` is Haraka's next of send_email. */
  admit(item: QueueItem, proceed: () => void): void {
    const id = messageId(item.filename)
    const isKnown = this.known.has(id)
    takeOver(item, () => undefined)
    if (isKnown) return this.options.onNotice(`${item.filename} is under way already, a second copy is left alone`)
    this.known.set(id, undefined)
    void this.place(id, item, proceed).catch((error: unknown) => {
      this.options.onFailure('placing a message', error)
      const untried = { isFinal: false, status: '4.3.0', why: `It could not be placed: ${String(error)}` }
      this.endUntried(id, item, untried, () => item.temp_fail(untried.why))
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
    // Haraka waits until it has read the head of the file.
    const todo = item.todo!
    if (endings.isTooOld(todo)) return this.expire(id, item)
    const route = await routes.find(item, todo.domain)
    if (route.kind === 'nowhere') return this.endUntried(id, item, route, () => endings.endUntried(item, route))
    const delivery = this.deliveryOf(id, item, route, proceed)
    this.current.set(item, delivery)
    const { sizeBytes, recipients } = delivery.path.profile
    if (sizeBytes !== undefined && item.file_size - item.data_start > sizeBytes) {
      const large = tooLarge(sizeBytes)
      return this.endUntried(id, item, large, () => endings.endUntried(item, large))
    }
    if (recipients !== undefined && todo.rcpt_to.length > recipients) return this.split(id, item, recipients)
    this.wait(delivery)
  }

  private deliveryOf(id: string, item: QueueItem, route: Delivery['route'], proceed: () => void): Delivery {
    const label = this.options.labelOf(item)
    return {
      id,
      mailClass: label.mailClass,
      tenant: label.tenant ?? '',
      dueAt: dueAt(item.filename),
      item,
      proceed,
      route,
      ...this.wayOf(item, route),
      beganAt: 0,
      attempt: undefined,
    }
  }

  /** What a message goes from, and by which path, as things are now. */
  private wayOf(item: QueueItem, route: Delivery['route']): Pick<Delivery, 'destination' | 'path' | 'source'> {
    const { book, labelOf, sourceFor } = this.options
    const { domain } = item.todo!
    const mx = namesOf(route, domain)
    const source = sourceFor(item, labelOf(item), mx)
    const destination = { domain, mx, source: source.name }
    return { destination, path: book.resolve(destination), source }
  }

  private wait(delivery: Delivery): void {
    const { id, path, destination } = delivery
    this.known.set(id, delivery)
    this.lately.set(destination.domain, destination)
    this.destinations.set(path.path, destination)
    this.dispatcher.add(path.path, delivery)
  }

  private expire(id: string, item: QueueItem): void {
    const { endings } = this.options
    this.endUntried(id, item, TOO_OLD, () => endings.expire(item))
  }

  /** Ends an attempt in which no host is asked; `end` has Haraka do it. */
  private endUntried(id: string, item: QueueItem, untried: Untried, end: () => void): void {
    const { book, labelOf, endings } = this.options
    const { domain } = item.todo!
    const beganAt = Date.now()
    // Of what is too old the sender is told what the last host has said.
    const attempt = untried === TOO_OLD ? new Attempt([]) : this.attemptAt(item)
    const path = this.current.get(item)?.path ?? book.resolve({ domain, mx: [domain], source: DEFAULT_SOURCE })
    const { mailClass, tenant = '' } = labelOf(item)
    const about = { item, path, mailClass, tenant, attempt, untried, dueAt: dueAt(item.filename), beganAt }
    item.next_cb = () => {
      if (this.known.delete(id)) this.tell(about)
    }
    // The other hooks of send_email are not asked any more.
    item.hooks_to_run = []
    endings.prepare(item)
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
    this.retries.delete(item)
    if (!(await isThere(item.path))) {
      this.options.onNotice(`${item.filename} is gone: it was delivered as another copy, or removed by hand`)
      return end()
    }
    delivery.attempt = this.attemptAt(item)
    const mx = await this.hostsFor(delivery)
    item.next_cb = end
    item.get_mx = () => {
      if (mx.length > 0) item.get_mx_respond(OK, mx)
      else this.options.endings.endUntried(item, noAddress(item.todo!.domain))
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

  /** From now on it is the last one, also while it is under way: reports are made before it is over. */
  private attemptAt({ todo }: QueueItem): Attempt {
    const attempt = new Attempt(todo!.rcpt_to.map(({ address }) => address))
    this.attempts.note(todo!, { attempt, at: Date.now() })
    return attempt
  }

  private end({ item: delivery, end }: Grant<Delivery>): void {
    const { id, attempt } = delivery
    this.known.delete(id)
    this.underWay--
    end()
    const next = this.ready.shift()
    if (next) this.begin(next)
    if (!attempt) return
    this.tell({ ...delivery, attempt })
  }

  private tell(end: Omit<AttemptEnd, 'retryAt' | 'at'>): void {
    this.options.onAttempt({ ...end, retryAt: this.retries.get(end.item), at: Date.now() })
  }

  private renew(): void {
    this.dispatcher.renew().catch((error: unknown) => this.options.onFailure('prolonging deliveries', error))
    const live = new Set(this.dispatcher.loads().map(({ path }) => path))
    for (const path of this.destinations.keys()) if (!live.has(path)) this.destinations.delete(path)
  }

  /** Ends what has waited beyond its time, and tells of what is late. */
  private sweep(): void {
    const { endings } = this.options
    for (const [id, delivery] of this.known) {
      if (!delivery || !this.dispatcher.has(id)) continue
      const { item } = delivery
      if (endings.isTooOld(item.todo!)) {
        this.dispatcher.remove(id)
        this.expire(id, item)
      } else if (endings.isLate(item)) {
        void endings.tellOfDelay(item, 'It waits for its turn: its provider takes no more at a time.')
      }
    }
  }
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

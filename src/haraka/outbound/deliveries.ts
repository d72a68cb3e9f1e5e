import { access } from 'node:fs/promises'
import type { Attempt } from '../../egress/attempt'
import { Dispatcher, type PathLoad } from '../../egress/dispatcher'
import type { Admission, Grant } from '../../egress/path-dispatcher'
import { PLACE_TTL_MS } from '../../egress/places'
import type { Destination } from '../../egress/rules'
import { OK } from '../types'
import type { Untried } from './attempt-event'
import { ConnectGate } from './connect-gate'
import type { DeliveriesOptions, Ended, Work } from './deliveries-options'
import { type Delivery, NO_HOSTS, NOT_TRIED, emptyAttempt } from './delivery'
import { type SessionDemands, type SessionPolicy, demandsOfProfile } from './demands'
import { tooLarge } from './endings'
import type { KnownMessage } from './errands'
import { KnownMessages } from './known-messages'
import type { Held } from '../suppressions'
import { type QueueItem, messageId, takeOver } from './queue-item'
import { noAddress } from './routes'
import type { HMail } from './types'

/** Prolonged several times within {@link PLACE_TTL_MS}. */
const RENEW_MS = PLACE_TTL_MS / 4
const SWEEP_MS = 60_000
const TOO_OLD: Untried = { isFinal: true, status: '5.4.7', why: 'It has waited too long for its turn.' }
/** What was put off is forgotten so long after it was due. */
const FORGET_MS = 3_600_000

/**
 * The messages of this process on their way out. Haraka hands over what is due (send_email) and gets its slot back at
 * once; the message waits here for its path, and goes on through Haraka when the path has room. Whatever becomes of it,
 * the path learns once that it is over.
 */
export class Deliveries implements SessionPolicy {
  private readonly dispatcher: Dispatcher<Delivery>
  private readonly gate: ConnectGate
  private readonly known = new KnownMessages()
  /** The destination that came last of each path that has something to do; all of a path share its limits. */
  private readonly destinations = new Map<string, Destination>()
  /** May go by their path, and wait for this process to have less under way. */
  private readonly ready: Grant<Delivery>[] = []
  private underWay = 0
  private isSweeping = false
  private readonly timers: NodeJS.Timeout[]

  constructor(private readonly options: DeliveriesOptions) {
    const { store } = options
    this.dispatcher = new Dispatcher((path) => ({
      path,
      limits: () => options.limitsOf(options.book.resolve(this.destinations.get(path)!)),
      admit: (delivery) => this.admitted(delivery),
      store,
      connections: options.connections(path),
      send: (grant) => this.begin(grant),
      onFailure: (error) => options.onFailure('asking the store for a slot', error),
    }))
    this.gate = new ConnectGate({ hasPlace: (path, coming) => this.dispatcher.mayConnect(path, coming), store })
    this.timers = [setInterval(() => this.renew(), RENEW_MS), setInterval(() => this.beginSweep(), SWEEP_MS)]
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
      const resolved = this.options.book.resolve(this.destinations.get(path)!)
      const held = ready.has(path) ? 'process' : this.gate.isAtRate(path) ? 'connection_rate' : hold
      yield {
        ...figures,
        provider: resolved.provider,
        connections: this.options.connections(path).count(),
        limits: this.options.limitsOf(resolved),
        hold: hold === 'suspended' || hold === 'warmup' ? hold : held,
      }
    }
  }

  /** All that waits or is under way; what is just being placed has neither domain nor path. Looks at each message. */
  *inHand(): IterableIterator<KnownMessage> {
    for (const [id, delivery] of this.known.entries()) {
      const isWaiting = delivery !== undefined && this.dispatcher.has(id)
      yield { id, domain: delivery?.destination.domain, path: delivery?.path.path, isWaiting }
    }
  }

  /** A message that this process is to try again. */
  recall(id: string): { readonly item: QueueItem; readonly domain: string; readonly path: string } | undefined {
    const delivery = this.known.recall(id)
    return delivery && { item: delivery.item, domain: delivery.destination.domain, path: delivery.path.path }
  }

  /** Ends a message that waits for its path. */
  async endWaiting(id: string, end: (item: QueueItem) => void): Promise<Ended> {
    const delivery = this.dispatcher.remove(id)
    return delivery ? this.endNow(id, delivery.item, end) : 'left'
  }

  /** Ends a message that is to be tried again. Whoever calls has taken it out of Haraka's hands. */
  async endPutOff(item: QueueItem, end: (item: QueueItem) => void): Promise<Ended> {
    const id = messageId(item.filename)
    if (this.known.isInHand(id)) return 'left'
    return this.endNow(id, item, end)
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
    await this.known.eachPlaced((delivery) => {
      const { id } = delivery
      const before = delivery.path.path
      if (!this.dispatcher.has(id) || !isOf(before)) return
      const way = this.options.planner.wayOf(delivery.item, delivery.route)
      this.destinations.set(way.path.path, way.destination)
      // One that is about to go goes as it was.
      if (way.path.path !== before && !this.dispatcher.remove(id)) return
      Object.assign(delivery, way)
      if (way.path.path !== before) this.wait(delivery)
    })
    for (const { path } of this.loads()) this.pump(path)
  }

  /** Takes a message that is due. `proceed` is Haraka's next of send_email. */
  admit(item: QueueItem, proceed: () => void): void {
    const id = messageId(item.filename)
    const isKnown = this.known.isInHand(id)
    takeOver(item, () => undefined)
    if (isKnown) return this.options.onNotice(`${item.filename} is under way already, a second copy is left alone`)
    this.known.take(id)
    void this.place(id, item, proceed).catch((error: unknown) => {
      this.options.onFailure('placing a message', error)
      void this.endNow(id, item, () =>
        this.options.endings.endForTrouble(item, `It could not be placed: ${String(error)}`),
      )
    })
  }

  /** Some recipients of a message that is under way are a message of their own now, and are put off or sent back. */
  adopt(part: QueueItem, from: QueueItem): void {
    const whole = this.options.records.of(from)
    if (!whole) return
    const id = messageId(part.filename)
    const delivery: Delivery = { ...whole, id, item: part, ...NOT_TRIED }
    this.options.records.keep(delivery)
    this.known.take(id)
    part.next_cb = () => this.known.letGo(id, delivery)
  }

  /** Nothing is sent any more; what waits stays in the queue's files. */
  close(): void {
    for (const timer of this.timers) clearInterval(timer)
    this.dispatcher.close()
  }

  demandsOf(item: HMail): SessionDemands {
    const { path } = this.options.records.of(item)?.path ?? { path: '' }
    const demands = demandsOfProfile(path, this.options.records.profileOf(item as QueueItem))
    const most = this.options.mostSessionMessages(path)
    return most === undefined ? demands : { ...demands, messages: Math.min(demands.messages, most) }
  }

  attemptOf(item: HMail): Attempt | undefined {
    return this.options.records.of(item)?.attempt
  }

  mayConnect(item: HMail): Promise<void> | undefined {
    const delivery = this.options.records.of(item)
    return delivery && this.gate.ask(delivery.path.path, this.options.records.profileOf(delivery.item).connectionRate)
  }

  changed(path: string): void {
    this.gate.changed(path)
    this.dispatcher.reconcile(path)
  }

  private async place(id: string, item: QueueItem, proceed: () => void): Promise<void> {
    const { planner, endings } = this.options
    // Haraka waits until it has read the head of the file.
    const todo = item.todo!
    if (endings.isTooOld(todo)) return this.expire(planner.deliveryOf(id, item, NO_HOSTS, proceed))
    const route = await planner.routeOf(item)
    if (route.kind === 'nowhere') return this.endUntried(planner.deliveryOf(id, item, NO_HOSTS, proceed), route)
    const delivery = planner.deliveryOf(id, item, route, proceed)
    const paused = this.options.pausedBy(item)
    if (paused) return this.endUntried(delivery, paused)
    const { sizeBytes, recipients } = delivery.path.profile
    if (sizeBytes !== undefined && item.file_size - item.data_start > sizeBytes) {
      return this.endUntried(delivery, tooLarge(sizeBytes))
    }
    if (recipients !== undefined && todo.rcpt_to.length > recipients) return this.split(id, item, recipients)
    this.wait(delivery)
  }

  private wait(delivery: Delivery): void {
    const { path, destination } = delivery
    this.known.place(delivery)
    this.options.records.keep(delivery)
    this.destinations.set(path.path, destination)
    this.dispatcher.add(path.path, delivery)
  }

  private expire(delivery: Delivery): void {
    delivery.untried = TOO_OLD
    this.endUntried(delivery, TOO_OLD, () => this.options.endings.expire(delivery.item))
  }

  /** Ends an attempt in which no host is asked; `end` has Haraka do it. */
  private endUntried(
    delivery: Delivery,
    untried: Untried,
    end = () => this.options.endings.endUntried(delivery.item, untried),
  ): void {
    const { id, item } = delivery
    const { records, endings, onAttempt } = this.options
    delivery.beganAt = Date.now()
    records.keep(delivery)
    // Of what is too old the sender is told what the last host has said.
    const attempt = untried === TOO_OLD ? emptyAttempt(item) : records.attemptAt(item)
    item.next_cb = () => {
      if (!this.known.letGo(id, delivery)) return
      onAttempt({ ...delivery, attempt, at: Date.now() })
    }
    // The other hooks of send_email are not asked any more.
    item.hooks_to_run = []
    endings.prepare(item)
    end()
  }

  /** Ends a message whose attempt has not begun, in another way than by trying. */
  private endNow(id: string, item: QueueItem, end: (item: QueueItem) => void): Promise<Ended> {
    const { filename } = item
    return new Promise((resolve) => {
      this.known.take(id)
      item.next_cb = () => {
        this.known.letGo(id)
        // One that is put off has another name.
        resolve(item.filename === filename ? 'ended' : 'put off')
      }
      item.hooks_to_run = []
      end(item)
    })
  }

  private async split(id: string, item: QueueItem, most: number): Promise<void> {
    await this.options.splitUp(item, most)
    this.known.letGo(id)
  }

  /** Its turn on its path has come. */
  private admitted(delivery: Delivery): Promise<Admission> | undefined {
    return this.options.budget.take(delivery)?.then((permission): Admission => {
      if (permission.kind === 'wait') return 'wait'
      if (permission.kind === 'split') return { elsewhere: () => this.splitInHand(delivery, permission.most) }
      if (permission.kind === 'later') return { elsewhere: () => this.endUntried(delivery, permission.why) }
      delivery.taken = permission.taken
      return 'go'
    })
  }

  private splitInHand({ id, item }: Delivery, most: number): void {
    void this.split(id, item, most).catch((error: unknown) => {
      this.options.onFailure('splitting a message', error)
      void this.endNow(id, item, () =>
        this.options.endings.endForTrouble(item, `It could not be split: ${String(error)}`),
      )
    })
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
      this.options.endings.endForTrouble(item, `it could not be begun: ${String(error)}`)
    })
  }

  private async start(delivery: Delivery, end: () => void): Promise<void> {
    const { item, proceed } = delivery
    delivery.beganAt = Date.now()
    if (!(await isThere(item.path))) {
      this.options.onNotice(`${item.filename} is gone: it was delivered as another copy, or removed by hand`)
      return end()
    }
    const found = await this.options.planner.lookAgain(delivery)
    if (found === 'moved') {
      end()
      return this.wait(delivery)
    }
    const looked = this.options.heldIn(item)
    const held = looked instanceof Promise ? await looked : looked
    if (held.length > 0 && held.length < item.todo!.rcpt_to.length) {
      await this.options.setApart(
        item,
        held.map(({ recipient }) => recipient),
      )
      return end()
    }
    delivery.attempt = this.options.records.attemptAt(item)
    if (held.length > 0) return this.endHeld(item, held, end)
    // Ordered while it waited.
    const why = found ?? this.options.pausedBy(item)
    const mx = why ? [] : await this.options.planner.hostsFor(delivery)
    item.next_cb = end
    item.get_mx = () => {
      if (mx.length > 0) return item.get_mx_respond(OK, mx)
      this.options.endings.endUntried(item, why ?? noAddress(item.todo!.domain))
    }
    this.options.endings.prepare(item)
    proceed()
  }

  /** The other hooks of send_email are not asked any more. */
  private endHeld(item: QueueItem, held: readonly Held[], end: () => void): void {
    item.next_cb = end
    item.hooks_to_run = []
    this.options.endings.prepare(item)
    this.options.endings.endHeld(item, held)
  }

  private end({ item: delivery, end }: Grant<Delivery>): void {
    const { id, attempt, taken } = delivery
    this.known.letGo(id, delivery)
    if (taken.length > 0 && !attempt?.wasSeen) this.options.budget.giveBack(taken)
    delivery.taken = []
    this.underWay--
    end()
    const next = this.ready.shift()
    if (next) this.begin(next)
    if (!attempt) return
    this.options.onAttempt({ ...delivery, attempt, at: Date.now() })
  }

  private renew(): void {
    this.dispatcher.renew().catch((error: unknown) => this.options.onFailure('prolonging deliveries', error))
    const live = new Set(this.dispatcher.loads().map(({ path }) => path))
    for (const path of this.destinations.keys()) if (!live.has(path)) this.destinations.delete(path)
  }

  private beginSweep(): void {
    if (this.isSweeping) return
    this.isSweeping = true
    this.sweep()
      .catch((error: unknown) => this.options.onFailure('looking for what is too old', error))
      .finally(() => (this.isSweeping = false))
  }

  /** Ends what has waited beyond its time, and tells of what is late. */
  private async sweep(): Promise<void> {
    const { endings } = this.options
    this.known.forget(Date.now() - FORGET_MS)
    await this.known.eachPlaced((delivery) => {
      const { id, item } = delivery
      if (!this.dispatcher.has(id)) return
      if (endings.isTooOld(item.todo!)) {
        if (this.dispatcher.remove(id)) this.expire(delivery)
      } else if (endings.isLate(item)) {
        void endings.tellOfDelay(item, 'It waits for its turn: its provider takes no more at a time.')
      }
    })
  }
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

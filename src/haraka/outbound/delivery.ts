import { isIP } from 'node:net'
import { Attempt, type ReadAnswer } from '../../egress/attempt'
import type { Waiting } from '../../egress/fair-queue'
import type { PathBook } from '../../egress/path-book'
import type { EgressProfile } from '../../egress/profile'
import { DEFAULT_SOURCE, type Destination, type ResolvedPath } from '../../egress/rules'
import { Recent } from '../../egress/recent'
import { type Source, bindFor } from '../../egress/sources'
import type { Taken } from '../../egress/warmup/warmup'
import type { Untried } from './attempt-event'
import type { Label } from './label'
import { type LastAttempt, LastAttempts } from './last-attempts'
import { type QueueItem, dueAt } from './queue-item'
import { type Nowhere, type Route, type Routes, namesOf } from './routes'
import type { HMail, Mx } from './types'

/** A message that waits, or is under way. */
export interface Delivery extends Waiting {
  readonly item: QueueItem
  /** Lets Haraka go on with it. */
  readonly proceed: () => void
  readonly route: KnownRoute
  /** When its route was found. */
  readonly routedAt: number
  readonly destination: Destination
  readonly path: ResolvedPath
  readonly source: Source
  beganAt: number
  /** What it holds of budgets, while it is under way. */
  taken: readonly Taken[]
  /** There is one from when it begins. */
  attempt: Attempt | undefined
  /** Why no host was asked, when none was. */
  untried: Untried | undefined
  retryAt: number | undefined
  /** What was put off goes back to its sender. */
  givenUp: boolean
}

export type KnownRoute = Extract<Route, { kind: 'hosts' | 'fixed' }>

/** As long as answers without a TTL are kept: Node tells none for MX. */
const ROUTE_HOLDS_MS = 5 * 60_000

/** What a delivery is made with, and a part of one. */
export const NOT_TRIED = {
  taken: [] as readonly Taken[],
  attempt: undefined,
  untried: undefined,
  retryAt: undefined,
  givenUp: false,
} as const

export const NO_HOSTS: KnownRoute = { kind: 'hosts', hosts: [] }

export interface PlannerOptions {
  readonly book: PathBook
  readonly routes: Routes
  readonly labelOf: (item: QueueItem) => Label
  /** What a message is sent from, to hosts of such names. */
  readonly sourceFor: (item: QueueItem, label: Label, hosts: readonly string[]) => Source
}

/** By which way messages go: path, source, addresses. */
export class Planner {
  constructor(private readonly options: PlannerOptions) {}

  /** Never rejects. */
  routeOf(item: QueueItem): Promise<Route> {
    return this.options.routes.find(item, item.todo!.domain)
  }

  deliveryOf(id: string, item: QueueItem, route: KnownRoute, proceed: () => void): Delivery {
    const label = this.options.labelOf(item)
    return {
      id,
      mailClass: label.mailClass,
      tenant: label.tenant ?? '',
      dueAt: dueAt(item.filename),
      item,
      proceed,
      route,
      routedAt: Date.now(),
      ...this.wayOf(item, route),
      beganAt: 0,
      ...NOT_TRIED,
    }
  }

  /** What a message goes from, and by which path, as things are now. */
  wayOf(item: QueueItem, route: KnownRoute): Pick<Delivery, 'destination' | 'path' | 'source'> {
    const { book, labelOf, sourceFor } = this.options
    const { domain } = item.todo!
    const mx = namesOf(route, domain)
    const source = sourceFor(item, labelOf(item), mx)
    const destination = { domain, mx, source: source.name }
    return { destination, path: book.resolve(destination), source }
  }

  /**
   * Where a message goes that has waited for long: its domain may have other hosts by now. Undefined: by the path that it has
   * waited for. When DNS does not say, all stays as it was.
   */
  async lookAgain(delivery: Delivery): Promise<'moved' | Nowhere | undefined> {
    if (Date.now() - delivery.routedAt < ROUTE_HOLDS_MS) return undefined
    const route = await this.routeOf(delivery.item)
    if (route.kind === 'nowhere') return route.isFinal ? route : undefined
    const { path } = delivery.path
    Object.assign(delivery, { route, routedAt: Date.now() }, this.wayOf(delivery.item, route))
    return delivery.path.path === path ? undefined : 'moved'
  }

  /** The path that a message would take; undefined when it has nowhere to go. */
  async pathFor(item: QueueItem): Promise<string | undefined> {
    const route = await this.routeOf(item)
    if (route.kind !== 'hosts' && route.kind !== 'fixed') return undefined
    return this.wayOf(item, route).path.path
  }

  /** The hosts to try, each with what it is to be connected from. */
  async hostsFor({ route, source }: Delivery): Promise<Mx[]> {
    const helo = source.helo === undefined ? {} : { bind_helo: source.helo }
    const named = (mx: Mx) => ({ ...mx, ...helo })
    if (route.kind === 'hosts') return boundTo(source, (await this.options.routes.addressesOf(route.hosts)).map(named))
    return (await Promise.all(route.mx.map((mx) => this.boundByPlugin(named(mx), source)))).flat()
  }

  /** Haraka would look its name up later, when it is too late to say what each of its addresses is connected from. */
  private async boundByPlugin(mx: Mx, source: Source): Promise<Mx[]> {
    const { exchange: host, bind } = mx
    const isFree = source.bind === undefined && source.bind6 === undefined
    if (isFree || bind !== undefined || !host) return [mx]
    if (isIP(host)) return boundTo(source, [mx])
    const addresses = await this.options.routes.addressesOf([{ host, preference: 0 }])
    return boundTo(
      source,
      addresses.map(({ exchange, from_dns }) => ({ ...mx, exchange: exchange!, from_dns: from_dns! })),
    )
  }
}

/** Those that a source can connect to, each with what from. */
function boundTo(source: Source, hosts: readonly Mx[]): Mx[] {
  return hosts.flatMap((mx) => {
    const bind = bindFor(source, mx.exchange!)
    return bind ? { ...mx, ...(bind.address === undefined ? {} : { bind: bind.address }) } : []
  })
}

const MOST_LATELY = 10_000

/** What is known of messages, from when they are placed, as long as they or their parts are tried. */
export class DeliveryRecords {
  private readonly current = new WeakMap<HMail, Delivery>()
  /** Where mail to a domain went last. */
  private readonly lately = new Recent<Destination>(MOST_LATELY)
  private readonly attempts = new LastAttempts()

  /** `readerFor`: what is known of the answers of a provider. */
  constructor(
    private readonly book: PathBook,
    private readonly readerFor: (provider: string | undefined) => ReadAnswer,
  ) {}

  keep(delivery: Delivery): void {
    this.current.set(delivery.item, delivery)
    this.lately.set(delivery.destination.domain, delivery.destination)
  }

  of(item: HMail): Delivery | undefined {
    return this.current.get(item)
  }

  /**
   * What holds for a message. One that Haraka has split off from another on the way has no path yet: then what holds for
   * its domain as far as is known without asking.
   */
  profileOf(item: QueueItem): EgressProfile {
    const domain = item.todo?.domain ?? ''
    const destination = this.current.get(item)?.destination ?? this.lately.get(domain)
    return this.book.profileOf(destination ?? { domain, mx: [domain], source: DEFAULT_SOURCE })
  }

  /** An attempt begins. From now on it is the last one: reports are made before it is over. */
  attemptAt(item: QueueItem): Attempt {
    const attempt = new Attempt(addressesOf(item), this.readerFor(this.current.get(item)?.path.provider))
    this.attempts.note(item.todo!, { attempt, at: Date.now() })
    return attempt
  }

  lastAttempt({ todo }: QueueItem): LastAttempt | undefined {
    return todo ? this.attempts.of(todo) : undefined
  }

  /** No host is asked in this attempt. */
  noteUntried(item: QueueItem, untried: Untried): void {
    const delivery = this.current.get(item)
    if (delivery) delivery.untried = untried
  }

  /** The message is tried again then. */
  noteRetry(item: QueueItem, at: number): void {
    const delivery = this.current.get(item)
    if (delivery) delivery.retryAt = at
  }

  /** The message is not tried any more. */
  noteGivenUp(item: QueueItem): void {
    const delivery = this.current.get(item)
    if (delivery) delivery.givenUp = true
  }
}

/** One in which nobody is asked. */
export function emptyAttempt(item: QueueItem): Attempt {
  return new Attempt(addressesOf(item))
}

function addressesOf({ todo }: QueueItem): string[] {
  return todo!.rcpt_to.map(({ address }) => address)
}

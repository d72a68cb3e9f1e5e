/** What mail is sent for, the most urgent first: a login code must not wait behind a newsletter. */
export const MAIL_CLASSES = ['transactional', 'system', 'marketing'] as const
export type MailClass = (typeof MAIL_CLASSES)[number]

/** Something that waits to be sent. */
export interface Waiting {
  /** Different for all that wait in a queue. */
  readonly id: string
  readonly mailClass: MailClass
  /** Whose it is; those of one class take turns. */
  readonly tenant: string
  /** Since when it could go, in milliseconds since 1970. */
  readonly dueAt: number
}

/** One that comes out of order is put right among so many of its tenant that wait last: after a restart all come nearly in order. */
const MOST_STEPS = 1000

/** The part of all takings that a class is certain of while it waits, however much waits above it. Together below 1. */
export type Shares = Readonly<Record<MailClass, number>>

export const DEFAULT_SHARES: Shares = { transactional: 0, system: 0.2, marketing: 0.1 }

/**
 * What waits for one path, in the order in which it is taken: the most urgent class first, but for the share that each of
 * the others is certain of; within a class the tenants by turns; of one tenant the one that was due first. Everything takes
 * the same time however many wait.
 */
export class FairQueue<Item extends Waiting> {
  private readonly classes: readonly ClassQueue<Item>[]
  private readonly places = new Map<string, Place<Item>>()

  constructor(shares: Shares = DEFAULT_SHARES) {
    const sum = MAIL_CLASSES.reduce((total, mailClass) => total + shares[mailClass], 0)
    if (sum >= 1 || MAIL_CLASSES.some((mailClass) => !(shares[mailClass] >= 0))) {
      throw new RangeError(`shares must be 0 or more, and together below 1, not ${sum}`)
    }
    this.classes = MAIL_CLASSES.map((mailClass) => new ClassQueue(shares[mailClass]))
  }

  get size(): number {
    return this.places.size
  }

  sizeOf(mailClass: MailClass): number {
    return this.classOf(mailClass).size
  }

  /** When the one of a class was due that has waited longest; costs a look at each of its tenants. */
  oldestOf(mailClass: MailClass): number | undefined {
    return this.classOf(mailClass).oldest()
  }

  /** Throws when something with the same id waits already: it would be sent twice. */
  push(item: Item): void {
    if (this.places.has(item.id)) throw new Error(`${item.id} waits already`)
    this.places.set(item.id, this.classOf(item.mailClass).add(item))
  }

  has(id: string): boolean {
    return this.places.has(id)
  }

  /** Takes the next one; undefined when nothing waits. */
  take(): Item | undefined {
    const following = this.nextClass()
    const item = following?.take()
    if (item) this.places.delete(item.id)
    return item
  }

  /** Puts back what was just taken: it is the next one of its class again. Throws as {@link push} does. */
  putBack(item: Item): void {
    if (this.places.has(item.id)) throw new Error(`${item.id} waits already`)
    this.places.set(item.id, this.classOf(item.mailClass).putBack(item))
    for (const queue of this.classes) if (queue.size > 0) queue.unearn()
  }

  /** Takes a certain one out of turn; undefined when it does not wait. */
  remove(id: string): Item | undefined {
    const place = this.places.get(id)
    if (!place) return undefined
    this.places.delete(id)
    this.classOf(place.item.mailClass).remove(place)
    return place.item
  }

  /** All that waits, in no particular order. */
  *[Symbol.iterator](): IterableIterator<Item> {
    for (const { item } of this.places.values()) yield item
  }

  private classOf(mailClass: MailClass): ClassQueue<Item> {
    return this.classes[MAIL_CLASSES.indexOf(mailClass)]!
  }

  /** The least urgent class whose share is due; else the most urgent that waits. */
  private nextClass(): ClassQueue<Item> | undefined {
    let [urgent, due]: (ClassQueue<Item> | undefined)[] = []
    for (const queue of this.classes) {
      if (queue.size === 0) continue
      urgent ??= queue
      if (queue.earn()) due = queue
    }
    const following = due ?? urgent
    following?.pay()
    return following
  }
}

/** One in a tenant's line; linked, so that one can be taken out of the middle. */
interface Place<Item extends Waiting> {
  readonly item: Item
  readonly line: Line<Item>
  before: Place<Item> | undefined
  after: Place<Item> | undefined
}

/** What a tenant has waiting. The lines of a class stand in a ring; whose turn it was goes to its end. */
class Line<Item extends Waiting> {
  first: Place<Item> | undefined
  last: Place<Item> | undefined
  previous: Line<Item> = this
  following: Line<Item> = this

  constructor(readonly tenant: string) {}

  /** Behind whom one belongs that is due then; undefined: it is first. */
  lastBefore(dueAt: number): Place<Item> | undefined {
    let place = this.last
    for (let steps = 0; place && place.item.dueAt > dueAt && steps < MOST_STEPS; steps++) place = place.before
    return place
  }

  insert(place: Place<Item>, before: Place<Item> | undefined): void {
    const after = before ? before.after : this.first
    place.before = before
    place.after = after
    if (before) before.after = place
    else this.first = place
    if (after) after.before = place
    else this.last = place
  }

  standBefore(line: Line<Item>): void {
    this.following = line
    this.previous = line.previous
    line.previous.following = this
    line.previous = this
  }

  leave(): void {
    this.previous.following = this.following
    this.following.previous = this.previous
  }
}

class ClassQueue<Item extends Waiting> {
  size = 0
  private readonly lines = new Map<string, Line<Item>>()
  /** Whose turn it is. */
  private turn: Line<Item> | undefined
  private credit = 0
  private lastPaid = 0
  private readonly paid = new WeakMap<Item, number>()

  constructor(private readonly share: number) {}

  /** Something is about to be taken somewhere; returns whether this class's share is due. */
  earn(): boolean {
    this.credit = Math.min(1 + this.share, this.credit + this.share)
    // Shares such as 0.1 do not add up to 1 exactly.
    return this.credit > 1 - 1e-9
  }

  /** What a class gets by its rank counts as its share. */
  pay(): void {
    this.lastPaid = Math.min(1, this.credit)
    this.credit -= this.lastPaid
  }

  /** Nothing was taken after all. */
  unearn(): void {
    this.credit = Math.max(0, this.credit - this.share)
  }

  oldest(): number | undefined {
    if (this.size === 0) return undefined
    let oldest = Infinity
    for (const { first } of this.lines.values()) oldest = Math.min(oldest, first?.item.dueAt ?? Infinity)
    return oldest
  }

  add(item: Item): Place<Item> {
    const line = this.lineOf(item.tenant)
    const place: Place<Item> = { item, line, before: undefined, after: undefined }
    line.insert(place, line.lastBefore(item.dueAt))
    this.size++
    return place
  }

  /** As it was before it was taken, also what that has cost: or a class that is refused often would be due for it. */
  putBack(item: Item): Place<Item> {
    const line = this.lineOf(item.tenant)
    const place: Place<Item> = { item, line, before: undefined, after: undefined }
    line.insert(place, undefined)
    this.turn = line
    this.size++
    this.credit += this.paid.get(item) ?? 0
    return place
  }

  take(): Item | undefined {
    const { turn } = this
    const place = turn?.first
    if (!turn || !place) return undefined
    this.turn = turn.following
    this.paid.set(place.item, this.lastPaid)
    this.remove(place)
    return place.item
  }

  remove({ line, before, after }: Place<Item>): void {
    if (before) before.after = after
    else line.first = after
    if (after) after.before = before
    else line.last = before
    this.size--
    if (line.first === undefined) this.leave(line)
    // Who does not wait saves nothing up.
    if (this.size === 0) this.credit = 0
  }

  private lineOf(tenant: string): Line<Item> {
    const known = this.lines.get(tenant)
    if (known) return known
    const line = new Line<Item>(tenant)
    if (this.turn) line.standBefore(this.turn)
    this.turn ??= line
    this.lines.set(tenant, line)
    return line
  }

  private leave(line: Line<Item>): void {
    this.lines.delete(line.tenant)
    line.leave()
    if (this.turn === line) this.turn = line.following === line ? undefined : line.following
  }
}

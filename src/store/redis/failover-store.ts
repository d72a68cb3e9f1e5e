import {
  type Ask,
  type BoardChange,
  type BoardEntry,
  type Clock,
  type KeyState,
  type LeaseRef,
  type Ping,
  type Records,
  type Store,
  StoreError,
  type Verdict,
} from '../store'
import { checkEntries, checkKeys } from '../board'
import { Breaker, type BreakerOptions } from './breaker'
import { OutageBoard } from './outage-board'
import { OutageLedger } from './outage-ledger'
import { OutageRecords, isFull } from './outage-records'
import { shareOf } from '../quota-share'
import { MAX_CHARGES, type SharedStore } from './shared-store'

/** The shared store was lost, or is back. */
export interface StoreChange {
  readonly state: 'lost' | 'back'
  readonly at: number
  readonly reason: string
  /** For `back`: how long it was away. */
  readonly downMs?: number
}

/** What answers for one process alone. */
export interface LocalStore extends Store {
  /** Uses up the bucket of a rate so far that it is full in `leadMs` at the soonest. */
  drain(key: string, leadMs: number): void
}

export interface FailoverOptions {
  readonly shared: SharedStore
  /** Answers while `shared` is out of reach. Taken over: opened and closed with it. */
  readonly local: LocalStore
  /** Called exactly once for each change. Must not throw. */
  readonly onChange: (change: StoreChange) => void
  /** Called with what an operator must read. Must not throw. */
  readonly onNotice?: (message: string) => void
  readonly clock?: Clock
  readonly breaker?: Omit<BreakerOptions, 'clock'>
  readonly beatEveryMs?: number
}

const BEAT_EVERY_MS = 2000
const TICK_MS = 200
/** How long after a return the number of processes may only grow: the others need time to be counted again. */
const RECOUNT_MS = 10_000
const RELEASES_PER_CALL = 500
/** Bounds one settling; what is left is sent at the following ticks. */
const ROUNDS_PER_SETTLING = 400

/**
 * The shared store while it answers; else this process by itself, at its share of every limit: no decision waits for a
 * store that is away, and no mail is refused because of it.
 *
 * A judgement that fails is answered from the local store in the same call. After a few failures in a row the breaker
 * opens, and judgements go to the local store at once until a probe in the background succeeds. The share is each limit
 * divided by the number of live processes, as last heard (`quota-share.ts`).
 *
 * When the shared store is back, it is first told what happened meanwhile (`outage-ledger.ts`): units admitted here are
 * charged at the time they were admitted, leases are given back. No unit is counted twice: neither a charge whose answer
 * is lost is sent again, nor is a judgement charged whose answer was lost, as it may have been carried out. Leases that
 * were taken here are taken there by the renewals of their holders. What was put on the board or taken off it holds here
 * at once, and is sent until it has arrived (`outage-board.ts`).
 *
 * Slots of a rate that are reserved ahead stay so: those this process reserved here begin at its share's pace behind the
 * last it knows of there, and nothing begins there before the last that it has reserved here.
 */
export class FailoverStore implements Store {
  readonly kind: Store['kind']
  private readonly shared: SharedStore
  private readonly local: LocalStore
  private readonly onChange: (change: StoreChange) => void
  private readonly clock: Clock
  private readonly breaker: Breaker
  private readonly beatEveryMs: number
  private readonly ledger = new OutageLedger()
  private readonly board: OutageBoard
  private readonly listeners: ((key: string) => void)[] = []
  private timer: NodeJS.Timeout | undefined
  private readonly outageRecords: OutageRecords
  private ticking = false
  private nodes = 1
  private beatAt = 0
  private lostAt = 0
  private backAt = 0
  private closed = false

  constructor(options: FailoverOptions) {
    this.shared = options.shared
    this.kind = options.shared.kind
    this.local = options.local
    this.onChange = options.onChange
    this.clock = options.clock ?? Date.now
    this.breaker = new Breaker({ ...options.breaker, clock: this.clock })
    this.beatEveryMs = options.beatEveryMs ?? BEAT_EVERY_MS
    this.shared.onReset((key) => this.tellReset(key))
    this.board = new OutageBoard(this.clock, options.onNotice)
    this.shared.onBoard((change) => this.board.hear(change))
    this.outageRecords = new OutageRecords({
      shared: this.shared.records,
      call: (work) => this.callRecords(work),
      clock: this.clock,
      onNotice: options.onNotice,
    })
  }

  /** Never rejects on account of the shared store, nor waits for it longer than its own open() does. */
  async open(): Promise<void> {
    await this.local.open()
    try {
      await this.shared.open()
      await this.beat()
    } catch (error) {
      if (this.breaker.trip()) this.reportLost(error)
    }
    if (!this.board.listeners.opened) this.board.listeners.tellAll()
    this.timer = setInterval(() => void this.tick(), TICK_MS)
    this.timer.unref()
  }

  async judge(asks: readonly Ask[]): Promise<Verdict> {
    if (this.closed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    if (this.breaker.state !== 'closed') return this.judgeLocally(asks, true)
    try {
      const verdict = await this.shared.judge(asks)
      this.breaker.note(true)
      this.noteReserved(asks, verdict)
      return verdict
    } catch (error) {
      const { code } = this.failed(error)
      return this.judgeLocally(asks, code === 'STORE_REFUSED')
    }
  }

  /** Writes to the shared store before it returns: a process that exits waits for nothing. */
  async release(leases: readonly LeaseRef[]): Promise<void> {
    const [done] = await Promise.all([this.attempt(() => this.shared.release(leases)), this.local.release(leases)])
    if (!done) this.ledger.noteReleased(leases)
  }

  /** Renews here as well, so that this process knows its own leases if the shared store goes away. */
  async renew(leases: readonly LeaseRef[], ttlMs: number): Promise<void> {
    await this.local.renew(leases, ttlMs)
    await this.attempt(() => this.shared.renew(leases, ttlMs))
  }

  /** Of the store that is being judged against. */
  list(prefix: string, most: number): Promise<KeyState[]> {
    return this.breaker.state === 'closed' ? this.shared.list(prefix, most) : this.local.list(prefix, most)
  }

  /** Rejects when the shared store cannot be told; this process forgets the keys even then. */
  async reset(keys: readonly string[]): Promise<number> {
    try {
      return await this.shared.reset(keys)
    } catch (error) {
      for (const key of keys) this.tellReset(key)
      throw error
    }
  }

  /** Asks the shared store, whatever its state: rejects with what is wrong with it. */
  async ping(): Promise<Ping> {
    const ping = await this.shared.ping()
    return { ...ping, detail: { ...ping.detail, processes: this.nodes, degraded: this.breaker.state !== 'closed' } }
  }

  onReset(listener: (key: string) => void): void {
    this.listeners.push(listener)
  }

  /** Never rejects on account of the shared store. */
  async post(entries: readonly BoardEntry[]): Promise<void> {
    checkEntries(entries)
    const keys = entries.map(({ key }) => key)
    const done = await this.changeShared(keys, async () => {
      await this.shared.post(entries)
      return true
    })
    if (!done) this.board.post(entries)
  }

  /** Never rejects on account of the shared store; while it is away the number is of what this process knew. */
  async withdraw(keys: readonly string[]): Promise<number> {
    checkKeys(keys)
    return (await this.changeShared(keys, () => this.shared.withdraw(keys))) ?? this.board.withdraw(keys)
  }

  /** Of this process's own copy while the shared store is away. */
  async readBoard(prefix: string, most: number): Promise<BoardEntry[]> {
    if (this.breaker.state !== 'closed') return this.board.read(prefix, most)
    return this.shared.readBoard(prefix, most)
  }

  onBoard(listener: (change: BoardChange) => void): void {
    this.board.listeners.add(listener)
  }

  get records(): Records {
    return this.outageRecords
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    clearInterval(this.timer)
    if (this.breaker.state === 'closed') await this.settle().catch(() => {})
    if (this.breaker.state === 'closed') await this.board.send(this.shared).catch(() => {})
    if (this.breaker.state === 'closed') await this.outageRecords.send().catch(() => {})
    this.outageRecords.close()
    await this.shared.close()
    await this.local.close()
  }

  /** Nothing can be sent any more: leases end by themselves. */
  closeNow(): void {
    this.closed = true
    clearInterval(this.timer)
    this.outageRecords.close()
  }

  /** @param charge whether the shared store surely knows nothing of this batch */
  private async judgeLocally(asks: readonly Ask[], charge: boolean): Promise<Verdict> {
    const verdict = await this.local.judge(shareOf(asks, this.nodes))
    if (charge) this.ledger.noteAdmitted(asks, verdict, this.clock())
    return { ...verdict, degraded: true }
  }

  /** So that, if the shared store goes away, this process begins nothing among the slots it knows to be reserved. */
  private noteReserved(asks: readonly Ask[], { committed, answers }: Verdict): void {
    if (!committed) return
    asks.forEach((ask, index) => {
      const { ok, count, excused } = answers[index]!
      if (ask.op !== 'rate' || ask.aheadMs === undefined || !ok || excused !== undefined) return
      this.local.drain(ask.key, (count + ask.cost) * ask.intervalMs)
    })
  }

  /** One call to the shared store that may fail; skipped while the breaker is open. Returns whether it was made. */
  private async attempt(call: () => void | Promise<void>): Promise<boolean> {
    if (this.breaker.state !== 'closed') return false
    try {
      await call()
      this.breaker.note(true)
      return true
    } catch (error) {
      this.failed(error)
      return false
    }
  }

  /** Changes the shared board, if that can be done: else undefined, and it is for {@link board} to do it. */
  private async changeShared<T>(keys: readonly string[], call: () => Promise<T>): Promise<T | undefined> {
    if (this.closed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    if (this.breaker.state !== 'closed') return undefined
    this.board.forgetWaiting(keys)
    try {
      return await call()
    } catch (error) {
      if (!isRefusal(error)) this.failed(error)
      return undefined
    }
  }

  /** One call about records, if the shared store is there; undefined when it is not, or refuses just that. */
  private async callRecords<T>(work: () => T | Promise<T>): Promise<{ readonly result: T } | undefined> {
    if (this.closed) throw new StoreError('STORE_CLOSED', 'the store is closed')
    if (this.breaker.state !== 'closed') return undefined
    try {
      const result = await work()
      this.breaker.note(true)
      return { result }
    } catch (error) {
      if (isFull(error)) throw error
      if (!isRefusal(error)) this.failed(error)
      return undefined
    }
  }

  /** Sends what was changed on the board and of records meanwhile. A store that refuses just that is not lost: it is asked again. */
  private async sendChanges(): Promise<void> {
    try {
      await this.board.send(this.shared)
      await this.outageRecords.send()
    } catch (error) {
      if (!isRefusal(error)) throw error
    }
  }

  /** Counts a failure. Rethrows what is no operating error of the store. */
  private failed(error: unknown): StoreError {
    if (!(error instanceof StoreError) || error.code === 'STORE_CLOSED') throw error
    if (this.breaker.note(false)) this.reportLost(error)
    return error
  }

  /** Background work: beats and left-over debts while all is well, probes while the shared store is away. */
  private async tick(): Promise<void> {
    if (this.ticking || this.closed) return
    this.ticking = true
    try {
      if (this.breaker.beginProbe()) await this.probe()
      else if (this.breaker.state === 'closed') await this.keepUp()
    } catch (error) {
      // Nobody awaits a tick, so an error of ours must not become a rejection that ends the process.
      if (!this.closed && this.breaker.trip()) this.reportLost(error)
    } finally {
      this.ticking = false
    }
  }

  private async keepUp(): Promise<void> {
    const now = this.clock()
    const due = now - this.beatAt >= this.beatEveryMs || now < this.beatAt
    if (due) await this.attempt(() => this.beat())
    const isSettled = this.board.settled && this.outageRecords.settled
    if (due && !isSettled) await this.attempt(() => this.sendChanges())
    if (!this.ledger.isEmpty) await this.attempt(() => this.settle())
  }

  private async probe(): Promise<void> {
    try {
      await this.beat()
      await this.settle()
      await this.sendChanges()
    } catch {
      this.breaker.endProbe(false)
      return
    }
    this.breaker.endProbe(true)
    const at = this.clock()
    this.backAt = at
    const downMs = Math.max(0, at - this.lostAt)
    this.onChange({ state: 'back', at, reason: 'the shared store answers again; limits are shared again', downMs })
  }

  private async beat(): Promise<void> {
    const live = Math.max(1, await this.shared.beat())
    const now = this.clock()
    const recounting = this.backAt > 0 && now - this.backAt < RECOUNT_MS
    if (live >= this.nodes || (this.breaker.state === 'closed' && !recounting)) this.nodes = live
    this.beatAt = now
  }

  /** Tells the shared store what it does not know. Rejects at the first call that fails; what that held is not sent again. */
  private async settle(): Promise<void> {
    for (let round = 0; round < ROUNDS_PER_SETTLING && !this.ledger.isEmpty; round++) {
      const releases = this.ledger.takeReleases(RELEASES_PER_CALL)
      if (releases.length > 0) await this.sendReleases(releases)
      const charges = this.ledger.takeCharges(MAX_CHARGES, this.clock())
      if (charges.length > 0) await this.shared.charge(charges)
    }
  }

  private async sendReleases(releases: readonly LeaseRef[]): Promise<void> {
    try {
      await this.shared.release(releases)
    } catch (error) {
      // Idempotent, so unlike charges they may be sent again.
      this.ledger.noteReleased(releases)
      throw error
    }
  }

  private reportLost(error: unknown): void {
    this.lostAt = this.clock()
    const why = error instanceof Error ? error.message : String(error)
    const reason = `${why}; each process holds its own share of the limits until it is back`
    this.onChange({ state: 'lost', at: this.lostAt, reason })
  }

  private tellReset(key: string): void {
    // Here too, or a key that another process reset would still count in this process's share.
    this.ledger.forget(key)
    this.local.reset([key]).catch(() => {})
    for (const listener of this.listeners) listener(key)
  }
}

/** What a server says that refuses more than the board shows in judgements too. */
function isRefusal(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'STORE_REFUSED'
}

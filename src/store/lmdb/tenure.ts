import { setTimeout as delay } from 'node:timers/promises'
import type { Table } from '../engine/judge'
import { type Clock, StoreError } from '../store'
import { writeMark } from './boot-mark'
import type { Environment } from './environment'
import { Health, isOfStorage } from './health'
import type { Notice } from './open-environment'
import { Membership, type OwnerMode } from './owners'
import { RecordTable } from './record-table'
import { StateCache } from './state-cache'
import { FullNotice } from '../room'
import { Sweeper } from './sweeper'

/** `apart`: the file cannot be written; this process counts for itself in memory until it can. */
export type TenureMode = OwnerMode | 'joining' | 'apart' | 'closed'

/** The engine's table, from which keys can also be removed. */
export interface Ledger extends Table {
  remove(key: string): void
}

export interface TenureOptions {
  readonly maxKeys: number
  readonly cachedStates: number
  /** Between two rounds of write-behind, in milliseconds. */
  readonly flushMs: number
  readonly clock: Clock
  readonly notice: Notice
}

/** Records written in one transaction of write-behind: some milliseconds at worst, when each is on a page of its own. */
const LOT = 200
/** One tick writes for so long, then lets others have their turn. */
const TICK_MS = 1
const JOIN_POLL_MS = 10
/** A newcomer waits no longer than so for write-behind in lots; then all is written at once. */
const PATIENCE_MS = 500
/**
 * Who has not looked at its registration for so long looks before it judges. Together with the time between heartbeats
 * far less than the silence after which others may take over, so nobody judges from memory that is no longer the truth.
 */
export const TRUST_MS = 3000
const LOST = new Error('this process was taken for dead')

/**
 * How one handle works on the environment, and how it changes from one way to another; `LmdbStore` tells the story.
 * Every change of mode that others rely on happens in a write transaction.
 */
export class Tenure {
  mode: TenureMode = 'joining'
  private readonly sweeper: Sweeper
  private readonly records: RecordTable
  private readonly cache: StateCache
  private readonly members: Membership
  private readonly health: Health
  private joining: Promise<void> = Promise.resolve()
  /** When it last began to look, not when it was done: it may have been stopped in between. */
  private verifiedAt = -Infinity
  private awaitedSince: number | undefined
  private roundAt = -Infinity
  /** What this round of write-behind has still to write. What changes meanwhile waits for the next: a key that is in use all the time is written once a round. */
  private due = 0
  private lot = LOT

  /** Throws when the file cannot be written. */
  constructor(
    private readonly environment: Environment,
    private readonly options: TenureOptions,
  ) {
    const tables = { counters: environment.states, remembered: environment.openRemembered() }
    const full = new FullNotice(options.maxKeys, options.notice)
    this.sweeper = new Sweeper(tables, options.maxKeys, (now) => full.say(now))
    this.records = new RecordTable(tables, this.sweeper)
    this.cache = new StateCache((key) => this.load(key), options.cachedStates)
    this.members = new Membership(environment)
    this.health = new Health(environment.path, options.notice)
  }

  get closed(): boolean {
    return this.mode === 'closed'
  }

  get unwritten(): number {
    return this.cache.unwritten
  }

  get others(): number {
    return this.members.others().length
  }

  /**
   * Runs `work` on the ledger, alone among all processes, at once where that is possible. `records` is how many keys it
   * may change. It may be run again when its changes could not be written, so it must do nothing but work on the ledger.
   */
  run<T>(records: number, work: (ledger: Ledger) => T): T | Promise<T> {
    if (this.mode === 'exclusive') {
      if (performance.now() - this.verifiedAt < TRUST_MS || this.verify()) return work(this.cache)
    } else if (this.mode === 'shared') {
      try {
        return this.transact(records, work)
      } catch (error) {
        if (error === LOST) this.rejoin()
        else if (isOfStorage(error)) {
          this.fallApart(error)
          return work(this.cache)
        } else throw error
      }
    } else if (this.mode === 'apart') {
      return work(this.cache)
    } else if (this.mode === 'closed') {
      throw new StoreError('STORE_CLOSED', 'the LMDB store is closed')
    }
    return this.joining.then(() => this.run(records, work))
  }

  /** Resolves when this handle may judge. Rejects when it cannot even register. */
  async join(): Promise<void> {
    this.mode = 'joining'
    for (;;) {
      const lookedAt = performance.now()
      const mode = this.tryEnter()
      if (mode) {
        this.mode = mode
        this.verifiedAt = lookedAt
        return
      }
      await delay(JOIN_POLL_MS)
      if (this.closed) return
    }
  }

  /** Heartbeat, write-behind, change of mode, sweeping. Returns true when there is more to write at once. */
  tick(): boolean {
    try {
      this.environment.refresh()
      if (this.mode === 'exclusive') this.tickExclusive()
      else if (this.mode === 'shared') this.tickShared()
      else if (this.mode === 'apart') this.rejoin()
    } catch (error) {
      if (error === LOST) this.rejoin()
      else if (this.mode === 'shared') this.fallApart(error)
      else this.fallIll(error)
    }
    return this.mode === 'exclusive' && !this.health.ill && this.due > 0
  }

  /** Writes down everything that is only in memory, if it can be written. */
  settle(): void {
    try {
      this.writeAll()
    } catch (error) {
      this.fallIll(error)
    }
  }

  /** Writes everything and gives up the registration. Returns whether nobody has the store open any more. */
  leave(): boolean {
    this.settle()
    const lost = this.cache.unwritten
    this.mode = 'closed'
    if (lost > 0) this.options.notice(`store: ${lost} counts could not be written to ${this.environment.path}`)
    return this.environment.write(1, () => {
      this.members.leave()
      return this.others === 0
    })
  }

  private writeAll(): void {
    while (this.mode === 'exclusive' && this.cache.unwritten > 0) this.flush()
  }

  private transact<T>(records: number, work: (ledger: Ledger) => T): T {
    return this.environment.write(records, () => {
      // While this registration stands, nobody else can have become exclusive: that takes being alone.
      if (!this.members.holds) throw LOST
      const result = work(this.records)
      if (this.sweeper.due) this.sweeper.sweep(this.options.clock())
      return result
    })
  }

  private tryEnter(): OwnerMode | undefined {
    const mode = this.environment.write(1, () => {
      this.members.removeDead()
      if (!this.members.holds) this.members.register('shared')
      writeMark(this.environment.path)
      const others = this.members.others()
      if (others.some((owner) => owner.mode === 'exclusive')) {
        if (this.members.beatDue) this.members.beat('shared')
        return undefined
      }
      const entered = others.length === 0 ? 'exclusive' : 'shared'
      this.members.beat(entered)
      return entered
    })
    if (mode) this.bringBack()
    return mode
  }

  /** What was counted apart replaces what the others counted of the same keys: both were right by what they knew. */
  private bringBack(): void {
    while (this.cache.unwritten > 0) {
      const changes = this.cache.changes(LOT)
      this.environment.write(changes.length, () => this.records.apply(changes))
      this.cache.written(changes)
    }
    this.cache.clear()
  }

  private rejoin(): void {
    if (this.mode !== 'apart') this.cache.clear()
    this.joining = this.join().then(
      () => this.health.recovered(),
      (error: unknown) => this.fallApart(error),
    )
  }

  private verify(): boolean {
    this.verifiedAt = performance.now()
    this.environment.refresh()
    try {
      const held = this.environment.write(1, () => {
        if (this.members.holds) this.members.beat('exclusive')
        return this.members.holds
      })
      if (!held) this.rejoin()
    } catch (error) {
      this.fallIll(error)
      if (!this.members.holds) this.rejoin()
    }
    return this.mode === 'exclusive'
  }

  private tickExclusive(): void {
    const now = performance.now()
    const awaited = this.others > 0
    if (!awaited) this.awaitedSince = undefined
    else this.awaitedSince ??= now
    const impatient = this.awaitedSince !== undefined && now - this.awaitedSince > PATIENCE_MS
    if (awaited || (this.due === 0 && now - this.roundAt >= this.options.flushMs) || this.health.ill) {
      // Even with nothing to write, a round tells the others that this process lives.
      this.due = Math.max(1, this.cache.unwritten)
      this.roundAt = now
    }
    if (this.due === 0) return
    do this.flush()
    while (this.mode === 'exclusive' && this.due > 0 && (impatient || performance.now() < now + TICK_MS))
    this.health.recovered()
    this.environment.lookAfter((problem) => this.options.notice(problem))
  }

  /** One transaction of write-behind; with it the handover to shared work, once nothing is unwritten and others wait. */
  private flush(): void {
    const lookedAt = performance.now()
    const changes = this.cache.changes(this.lot)
    const outcome = this.environment.write(changes.length, () => {
      if (!this.members.holds) return 'lost'
      this.members.removeDead()
      this.records.apply(changes)
      this.sweeper.sweep(this.options.clock(), 1)
      const handOver = changes.length === this.cache.unwritten && this.others > 0
      if (handOver || this.members.beatDue) this.members.beat(handOver ? 'shared' : 'exclusive')
      return handOver ? 'shared' : 'exclusive'
    })
    if (outcome === 'lost') {
      this.rejoin()
      return
    }
    this.verifiedAt = lookedAt
    this.lot = Math.min(LOT, this.lot * 2)
    this.cache.written(changes)
    // A round that found nothing unwritten ends with its one transaction.
    this.due = changes.length === 0 ? 0 : Math.max(0, this.due - changes.length)
    if (outcome === 'shared') this.cache.clear()
    this.mode = outcome
  }

  private tickShared(): void {
    const others = this.members.others()
    const leads = others.every((owner) => owner.id > this.members.name)
    if (!leads && !this.members.beatDue) return
    const lookedAt = performance.now()
    this.mode = this.environment.write(1, () => {
      if (!this.members.holds) throw LOST
      this.members.removeDead()
      if (leads) this.sweeper.sweep(this.options.clock(), 1)
      const alone = this.others === 0
      if (alone || this.members.beatDue) this.members.beat(alone ? 'exclusive' : 'shared')
      return alone ? 'exclusive' : 'shared'
    })
    this.verifiedAt = lookedAt
    if (leads) this.environment.lookAfter((problem) => this.options.notice(problem))
  }

  private load(key: string) {
    try {
      return this.records.get(key)
    } catch (error) {
      this.fallIll(error)
      return undefined
    }
  }

  private fallApart(error: unknown): void {
    this.mode = 'apart'
    this.fallIll(error)
  }

  private fallIll(error: unknown): void {
    // The free list of lmdb-js 3.5 cannot serve some transactions that it can serve in parts.
    this.lot = Math.max(1, this.lot >> 1)
    // What cannot be written must not fill the memory either.
    const dropped = this.cache.dropUnwritten(this.options.cachedStates)
    this.health.fell(error, dropped)
  }
}

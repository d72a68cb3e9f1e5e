import { describeKey } from '../engine/describe'
import { judgeBatch, releaseLease, renewLease } from '../engine/judge'
import { expiryOf } from '../engine/state'
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
import { shareOf } from '../quota-share'
import { checkEntries, checkKeys } from '../board'
import { clearMark } from './boot-mark'
import type { Environment } from './environment'
import { HostBoard } from './host-board'
import { HostRecords } from './host-records'
import { type Notice, openEnvironment } from './open-environment'
import { decodeRecord } from './record'
import { ResetLog } from './reset-log'
import { countKeys } from './sweeper'
import { type Ledger, Tenure } from './tenure'

export interface LmdbStoreOptions {
  /** A directory of its own; made, for its owner alone, when it is not there. */
  readonly path: string
  /** Beyond this many keys those that expire soonest are forgotten, see `room.ts`. */
  readonly maxKeys?: number
  /** Beyond this many entries of the board the soonest to expire go. */
  readonly maxBoardEntries?: number
  /** Beyond this many records no new one is taken. */
  readonly maxRecords?: number | undefined
  readonly clock?: Clock
  /** Hears what an operator must read: a file set aside, a full disk. */
  readonly onNotice?: Notice
  /** Called once when the directory was removed under the store: what is counted from then on dies with this process. */
  readonly onLost?: (reason: string) => void
  /** How long a count may be in memory only, in milliseconds. Keys in frequent use are written once in that time. */
  readonly flushMs?: number
  /** How soon another process that opens the store is noticed, in milliseconds. */
  readonly tickMs?: number
}

const MAX_KEYS = 1_000_000
const FLUSH_MS = 1000
const TICK_MS = 200
/** States in memory while working alone: about half a kilobyte each. */
const CACHED_STATES = 200_000
const LIST_LOT = 500
const LOOK_MS = 1000
const RESET_LOT = 200

/**
 * The embedded store: durable, and shared by the processes of one host that open the same directory.
 *
 * While one process alone has it open, that process judges in memory and writes behind, at most `flushMs` late. As soon
 * as a second one opens it (a worker, or the `sluice` command for a moment), the first writes down everything, and from
 * then on every batch of every process is one transaction on the file, so that limits are exact across processes. Alone
 * again, a process goes back to memory. The opener waits for that, typically `tickMs`, in `open()`.
 *
 * What can be lost: a process killed while alone forgets the counts of its last `flushMs`; a process killed among others
 * forgets nothing. When the host goes down, the last seconds may be lost, and at the next start what is readable is
 * rescued. A process that was stopped for more than ten seconds is taken for dead; it notices before its next batch, so
 * at most the batch it was stopped in the middle of counts for nobody.
 *
 * A process that is stopped (not killed) in the middle of a transaction holds up the others until it goes on. The
 * processes must see each other's process numbers: two containers cannot share a directory, they want Redis.
 */
export class LmdbStore implements Store {
  readonly kind = 'lmdb'
  readonly records: Records
  private readonly path: string
  private readonly clock: Clock
  private readonly notice: Notice
  private readonly flushMs: number
  private readonly tickMs: number
  private readonly maxKeys: number
  private readonly maxBoardEntries: number | undefined
  private readonly listeners: ((key: string) => void)[] = []
  private environment: Environment | undefined
  private tenure: Tenure | undefined
  private resets: ResetLog | undefined
  private board: HostBoard | undefined
  private readonly boardListeners: ((change: BoardChange) => void)[] = []
  private timer: NodeJS.Timeout | undefined
  private readonly onLost: (reason: string) => void
  private lookedAt = performance.now()
  private lost = false

  constructor({ path, maxKeys = MAX_KEYS, clock = Date.now, flushMs, tickMs, ...hooks }: LmdbStoreOptions) {
    const { onNotice, onLost } = hooks
    this.path = path
    this.onLost = onLost ?? (() => {})
    this.clock = clock
    this.notice = onNotice ?? (() => {})
    this.flushMs = flushMs ?? FLUSH_MS
    this.tickMs = tickMs ?? Math.min(TICK_MS, this.flushMs)
    this.maxKeys = maxKeys
    this.maxBoardEntries = hooks.maxBoardEntries
    const environment = () => {
      this.opened()
      return this.environment!
    }
    this.records = new HostRecords({ environment, clock, most: hooks.maxRecords })
  }

  async open(): Promise<void> {
    const { environment, resets, board, tenure } = await openEnvironment(this.path, this.notice, (environment) =>
      this.enter(environment),
    )
    this.environment = environment
    this.resets = resets
    this.board = board
    this.tenure = tenure
    for (const listener of this.boardListeners) board.listeners.add(listener)
    board.listeners.tellAll()
    this.scheduleTick()
  }

  private async enter(environment: Environment) {
    const { maxKeys, clock, notice, flushMs } = this
    const tenure = new Tenure(environment, { maxKeys, clock, notice, flushMs, cachedStates: CACHED_STATES })
    const resets = new ResetLog(environment)
    const board = new HostBoard(environment, clock, this.maxBoardEntries)
    // A full disk is met here, and not when somebody asks for one.
    environment.openRecords()
    await tenure.join()
    return { environment, resets, board, tenure }
  }

  /** At once, but for the moments in which the way of working changes. */
  judge(asks: readonly Ask[]): Verdict | Promise<Verdict> {
    const tenure = this.opened()
    return tenure.run(asks.length, (ledger) => {
      const degraded = tenure.mode === 'apart'
      const { committed, answers } = judgeBatch(ledger, degraded ? shareOf(asks, 1) : asks, this.clock())
      return { committed, answers, degraded }
    })
  }

  release(leases: readonly LeaseRef[]): void | Promise<void> {
    return this.opened().run(leases.length, (ledger) => {
      for (const lease of leases) {
        const state = releaseLease(ledger.get(lease.key), lease)
        // Also when nobody holds it any more: the sweeper removes it, unless it is held again before.
        if (state) ledger.put(lease.key, state)
      }
    })
  }

  renew(leases: readonly LeaseRef[], ttlMs: number): void | Promise<void> {
    return this.opened().run(leases.length, (ledger) => {
      const now = this.clock()
      for (const lease of leases) ledger.put(lease.key, renewLease(ledger.get(lease.key), lease, now, ttlMs))
    })
  }

  async list(prefix: string, most: number): Promise<KeyState[]> {
    const tenure = this.opened()
    const found: KeyState[] = []
    for (const table of [this.environment!.states, this.environment!.openRemembered()]) {
      let last: string | undefined
      do {
        tenure.settle()
        this.environment!.refresh()
        last = this.listLot(table, prefix, last, most, found)
        // The table may be large: let others have their turn.
        await new Promise((resolve) => setImmediate(resolve))
        this.opened()
      } while (last !== undefined)
    }
    return found
  }

  /** Adds what the next keys after `last` say. Returns the last one looked at, or undefined when there are no more. */
  private listLot(
    table: Environment['states'],
    prefix: string,
    last: string | undefined,
    most: number,
    found: KeyState[],
  ): string | undefined {
    const start = last === undefined ? { start: prefix } : { start: last, exclusiveStart: true }
    let looked = 0
    for (const { key, value } of table.getRange({ ...start, limit: LIST_LOT })) {
      if (!key.startsWith(prefix) || found.length >= most) return undefined
      looked++
      last = key
      const state = decodeRecord(value)
      const described = state && describeKey(key, state, this.clock())
      if (described) found.push(described)
    }
    return looked < LIST_LOT ? undefined : last
  }

  async reset(keys: readonly string[]): Promise<number> {
    const tenure = this.opened()
    let known = 0
    for (let at = 0; at < keys.length; at += RESET_LOT) {
      const lot = keys.slice(at, at + RESET_LOT)
      known += await tenure.run(lot.length, (ledger) => removeAll(ledger, lot, this.clock()))
    }
    tenure.settle()
    try {
      this.environment!.write(2, () => this.resets!.write(keys, Date.now()))
      this.announceResets()
    } catch {
      // A full disk: those that share this process hear of it all the same.
      for (const key of keys) for (const listener of this.listeners) listener(key)
    }
    return known
  }

  async ping(): Promise<Ping> {
    const tenure = this.opened()
    const start = performance.now()
    tenure.settle()
    this.environment!.refresh()
    const keys = countKeys(this.environment!.states) + countKeys(this.environment!.openRemembered())
    const latencyMs = performance.now() - start
    const { sizeBytes } = this.environment!
    const detail = {
      path: this.path,
      mode: tenure.mode,
      processes: tenure.others + 1,
      sizeBytes,
      unwritten: tenure.unwritten,
    }
    return { kind: this.kind, latencyMs, clockSkewMs: 0, keys, detail }
  }

  onReset(listener: (key: string) => void): void {
    this.listeners.push(listener)
  }

  async post(entries: readonly BoardEntry[]): Promise<void> {
    checkEntries(entries)
    this.opened()
    await this.board!.post(entries)
  }

  async withdraw(keys: readonly string[]): Promise<number> {
    checkKeys(keys)
    this.opened()
    return this.board!.withdraw(keys)
  }

  async readBoard(prefix: string, most: number): Promise<BoardEntry[]> {
    this.opened()
    this.environment!.refresh()
    this.board!.catchUp()
    return this.board!.read(prefix, most)
  }

  onBoard(listener: (change: BoardChange) => void): void {
    if (this.board) this.board.listeners.add(listener)
    else this.boardListeners.push(listener)
  }

  async close(): Promise<void> {
    const { tenure, environment } = this
    this.tenure = undefined
    this.board?.close()
    clearTimeout(this.timer)
    if (!tenure || !environment) return
    try {
      const last = tenure.leave()
      if ((await environment.sync()) && last) {
        environment.write(1, () => {
          if (tenure.others === 0) clearMark(this.path)
        })
      }
    } catch (error) {
      this.notice(`store: the last counts could not be written to ${this.path} (${String(error)})`)
    }
    await environment.close()
  }

  closeNow(): void {
    const { tenure } = this
    this.tenure = undefined
    this.board?.close()
    clearTimeout(this.timer)
    try {
      tenure?.leave()
    } catch {
      // The process is gone in a moment; the next one takes this registration for dead and loses 200 ms of counts.
    }
  }

  private opened(): Tenure {
    if (!this.tenure) throw new StoreError('STORE_CLOSED', `the LMDB store ${this.path} is not open`)
    return this.tenure
  }

  private scheduleTick(): void {
    this.timer = setTimeout(() => this.tick(), this.tickMs).unref()
  }

  private tick(): void {
    if (!this.tenure) return
    const more = this.tenure.tick()
    this.lookForFile()
    try {
      this.announceResets()
      this.board!.catchUp()
    } catch (error) {
      this.notice(`store: ${this.path}: resets and the board could not be read (${String(error)})`)
    }
    if (more) setImmediate(() => this.tick()).unref()
    else this.scheduleTick()
  }

  /** LMDB goes on working on a file that has no name any more, beside whoever opens a new one. */
  private lookForFile(): void {
    if (this.lost || performance.now() - this.lookedAt < LOOK_MS) return
    this.lookedAt = performance.now()
    if (this.environment!.inPlace) return
    this.lost = true
    this.onLost(`${this.path} was removed while in use: counts are not shared and not kept. Start Haraka again`)
  }

  private announceResets(): void {
    for (const key of this.resets!.unseen()) {
      for (const listener of this.listeners) listener(key)
    }
  }
}

function removeAll(ledger: Ledger, keys: readonly string[], now: number): number {
  let known = 0
  for (const key of keys) {
    const state = ledger.get(key)
    if (!state) continue
    if (expiryOf(state) > now) known++
    ledger.remove(key)
  }
  return known
}

/**
 * The store port: the only door through which anything in Sluice reaches counted state.
 *
 * A store judges a *batch* of asks in one atomic step: every ask is evaluated in order against the state before the
 * batch, and the whole batch is committed only if no enforced ask is refused. A refused batch changes nothing, so a
 * refused attempt never consumes anybody's quota. A refused ask that is not enforced (shadow) consumes nothing itself
 * and does not hold up the others. Only a triplet that is new is remembered in any case. An ask that an earlier merit
 * of its batch excuses is not judged at all.
 *
 * All times are milliseconds. A store uses one clock for all its callers (Redis: the server's own), with a resolution
 * of one millisecond.
 */
import type { Records } from './records'

/** At most `limit` units in every half-open interval `(t - windowMs, t]`. */
export interface Window {
  readonly limit: number
  readonly windowMs: number
}

interface AskBase {
  /** Printable ASCII, at most {@link MAX_KEY_LENGTH} characters. No two asks of one batch name the same key. */
  readonly key: string
  /** A refusal of this ask refuses the batch. */
  readonly enforced: boolean
  /**
   * Indices of earlier asks of the batch, all of them merits. If the answer to one is `ok`, this ask is excused: not
   * judged, nothing consumed or remembered for it, and answered `ok` with {@link Answer.excused}. An excused merit is
   * `ok` like any other. A store throws, or rejects, when an index names no earlier merit.
   */
  readonly unless?: readonly number[]
}

/**
 * Sliding windows over one key. All windows must have room for `cost` units.
 * A slot is free again at most 1/60 of the window after it could be; see `engine/tape.ts`.
 */
export interface WindowAsk extends AskBase {
  readonly op: 'window'
  readonly windows: readonly Window[]
  readonly cost: number
}

/**
 * Token bucket by virtual scheduling (GCRA): one unit each `intervalMs`, up to `burst` units at once.
 *
 * With `aheadMs` the ask is a reservation: one that has no room now, but will within so long, is `ok` and takes the slot
 * that is next, and {@link Answer.startsInMs} says when that begins. So however many processes reserve, their slots lie
 * `intervalMs` apart, and in no time more units begin than `burst` and one each `intervalMs`. This holds for reservations
 * and asks without `aheadMs` of one key together, and when the store's clock is put back; if it is put forward, slots that
 * are reserved later come so much sooner.
 *
 * A slot that was taken is not given back: those behind it are promised already, so but for the very last one nobody
 * could have it. One that is not used is lost to the rate.
 */
export interface RateAsk extends AskBase {
  readonly op: 'rate'
  readonly intervalMs: number
  readonly burst: number
  /** More than `burst` never has room, nor can it be reserved. */
  readonly cost: number
  /**
   * How far ahead a slot may begin; from 0 to {@link MAX_AHEAD_MS}. A store throws, or rejects with, a RangeError when it is
   * anything else.
   */
  readonly aheadMs?: number
}

/**
 * One of at most `limit` leases held at a time. A lease ends by {@link Store.release} or when `ttlMs` have passed
 * without {@link Store.renew}, so a process that dies takes no slot with it. Taking a lease that is already held renews it.
 */
export interface LeaseAsk extends AskBase {
  readonly op: 'lease'
  readonly limit: number
  /** Exactly {@link LEASE_ID_LENGTH} characters, unique to the holder. */
  readonly id: string
  readonly ttlMs: number
}

/**
 * What greylisting remembers of one triplet (client, sender, recipient). The first ask of a key is refused and
 * remembered, also when its batch is refused. It is refused until `delayMs` have passed since; one that comes later but
 * within `retryMs` of the first has room, and once it has passed, so has every one within `passMs` of the last that
 * passed. After that all begins anew.
 */
export interface TripletAsk extends AskBase {
  readonly op: 'triplet'
  readonly delayMs: number
  readonly retryMs: number
  readonly passMs: number
}

/**
 * How somebody has behaved: the mean of samples from −1 to 1, an exponential average over time and over count. The answer
 * is `ok` when at least `leastSamples` are held and their mean is at least `leastMean`, as it was before this ask. The
 * sample is taken when the batch commits, whether `ok` or not.
 *
 * A merit never refuses a batch: `enforced` is ignored.
 */
export interface MeritAsk extends AskBase {
  readonly op: 'merit'
  /** A whole number. */
  readonly leastSamples: number
  /** From −1 to 1. */
  readonly leastMean: number
  /** The number of samples halves in this time, in steps of a sixteenth of it; 0 when they never grow old. */
  readonly halfLifeMs: number
  /**
   * No more samples are held, so a new one weighs at least `1 / most`; from 1 to {@link MOST_SAMPLES}. The mean is kept in
   * ten-thousandths: one that is nearer to a sample than `most / 20,000` does not move.
   */
  readonly most: number
  /** A sample that comes sooner than this after the last one that counted changes nothing; 0 when every one counts. */
  readonly apartMs: number
  /** All is forgotten this long after the last sample that counted. Reading does not prolong it. */
  readonly keepMs: number
  /** From −1 (bad) to 1 (good). Without it the ask only reads. */
  readonly sample?: number
}

/**
 * At most `limit` different values in a window, told by a sketch of fixed size: linear counting on 1024 bits, in two
 * generations of `windowMs` each, so a value is remembered for one to two windows after its last use. A value whose bit
 * is set has room; a new one has room while the estimate with it is within the limit. A refused one adds nothing.
 *
 * The limit binds to within some percent, and slows rather than ends: once it is reached, a new value still finds its bit
 * set by chance in about one case of `1024 / limit` (2 % at a limit of 20, 9 % at 100, 44 % at 600).
 */
export interface DistinctAsk extends AskBase {
  readonly op: 'distinct'
  /** A hash of the value, unsigned 32 bits. */
  readonly value: number
  /** At most {@link MOST_DISTINCT}; a larger one counts as that. */
  readonly limit: number
  readonly windowMs: number
}

export type Ask = WindowAsk | RateAsk | LeaseAsk | TripletAsk | MeritAsk | DistinctAsk

export interface Answer {
  readonly ok: boolean
  /**
   * Units in use before this ask: in the window that binds, of the bucket (with what is reserved of it), or leases held; how often a triplet has passed;
   * samples of a merit, rounded down; different values, estimated.
   */
  readonly count: number
  /** The limit that `count` is held against; 0 for triplets; the least number of samples for merits. */
  readonly limit: number
  /**
   * Length of the window that binds; 0 for leases and merits; the time to fill an empty bucket for rates; the delay of a
   * triplet.
   */
  readonly windowMs: number
  /**
   * When refused: the least time after which the same ask can succeed; `Infinity` when it never can. 0 when `ok`, and
   * for merits.
   */
  readonly retryAfterMs: number
  /**
   * For rates with `aheadMs` that are `ok`: in how long their slot begins, rounded up to a millisecond; 0 when at once.
   * Where the batch is not committed it is what could have been. Absent where a batch was refused without the store being
   * asked.
   */
  readonly startsInMs?: number
  /**
   * For merits that were judged: the mean before this ask, from −1 to 1; 0 when no sample is held. Absent where a batch was
   * refused without the store being asked.
   */
  readonly mean?: number
  /** For an ask that was excused: the index of the merit that did it. */
  readonly excused?: number
}

export interface Verdict {
  readonly committed: boolean
  /** One for each ask, in order. */
  readonly answers: readonly Answer[]
  /** True when the shared store was out of reach and the answer comes from this process's own share of each limit. */
  readonly degraded: boolean
}

export interface LeaseRef {
  readonly key: string
  readonly id: string
}

/** What a store knows of one key, for people: `sluice limits show`. */
export interface KeyState {
  readonly key: string
  readonly op: Ask['op']
  /**
   * Units now in each window (windows), units of the bucket in use (rate), leases held (lease), passes (triplet), samples
   * (merit), or different values (distinct).
   */
  readonly counts: readonly { readonly windowMs: number; readonly count: number }[]
  /** Of a merit, from −1 to 1. */
  readonly mean?: number
  readonly expiresAt: number
}

export interface Ping {
  readonly kind: Store['kind']
  readonly latencyMs: number
  /** The store's clock minus this process's, in milliseconds. */
  readonly clockSkewMs: number
  readonly keys: number
  readonly detail: Readonly<Record<string, string | number | boolean>>
}

export type { Records, RecordsPage, RecordsRead, StoredRecord } from './records'

/** Something every process that shares the store must know at once, such as a ban. */
export interface BoardEntry {
  /** Printable ASCII, at least one and at most {@link MAX_KEY_LENGTH} characters. */
  readonly key: string
  /** Its owner's text, at most {@link MAX_BOARD_TEXT} characters. */
  readonly text: string
  /** Milliseconds since 1970; always finite: nothing stays for ever. */
  readonly expiresAt: number
}

export type BoardChange =
  | { readonly kind: 'posted'; readonly entry: BoardEntry }
  | { readonly kind: 'withdrawn'; readonly key: string }
  /**
   * Everything there is, in place of what was known: after opening, and whenever a message may have been missed. `lost`
   * when the store has lost what it had, as a server that starts anew: what is not among these was not taken off.
   */
  | { readonly kind: 'all'; readonly entries: readonly BoardEntry[]; readonly lost?: true }

/** Contract: `test/contract/store.ts` holds every implementation to it. */
export interface Store {
  readonly kind: 'memory' | 'lmdb' | 'redis'

  /** Ready to judge when it resolves. Rejects with {@link StoreError} when the store cannot be used at all. */
  open(): Promise<void>

  /** Judges a batch. An embedded store may answer at once, without a promise. Rejects with {@link StoreError}. */
  judge(asks: readonly Ask[]): Verdict | Promise<Verdict>

  /** Gives leases back. Idempotent; unknown leases are ignored. */
  release(leases: readonly LeaseRef[]): void | Promise<void>

  /** Prolongs leases that are still held; one that has expired is taken again, whatever the limit says. */
  renew(leases: readonly LeaseRef[], ttlMs: number): void | Promise<void>

  /** Live keys that start with `prefix`, in no order, at most `most`. */
  list(prefix: string, most: number): Promise<KeyState[]>

  /** Forgets keys, for every process that shares the store. Returns how many were known. */
  reset(keys: readonly string[]): Promise<number>

  ping(): Promise<Ping>

  /** Calls back with each key that {@link reset} forgot, whichever process asked for it. */
  onReset(listener: (key: string) => void): void

  /**
   * Puts entries on the board, in place of those with the same key, for every process that shares the store. Beyond
   * {@link MAX_BOARD_ENTRIES} the soonest to expire go. What has expired already is not put up, but takes the place of
   * the same key all the same.
   *
   * Throws a RangeError, and does nothing, when one of them is no {@link BoardEntry}. Rejects with {@link StoreError} when
   * others could not be told, or only some, or a restart would forget it. An embedded store has told those who listen in
   * this process even then. A shared one that guards against outages does not reject for one: it tells those who listen
   * here, and the others when the store is back.
   */
  post(entries: readonly BoardEntry[]): Promise<void>

  /** Takes entries off, for every process that shares the store. Returns how many were there. Throws and rejects as {@link post}. */
  withdraw(keys: readonly string[]): Promise<number>

  /** Live entries whose key starts with `prefix`, in no order, at most `most`. */
  readBoard(prefix: string, most: number): Promise<BoardEntry[]>

  /**
   * Calls back with `all` once the store is open, at once or soon after when it is open already, and from then on with
   * every change of the board, whichever process made it. An entry that is posted again as it was may be told or not.
   * Nobody is told when an entry expires, as it says itself when; one that goes because there are too many is withdrawn.
   */
  onBoard(listener: (change: BoardChange) => void): void

  /** What is looked up by key, and is too much for every process's memory. */
  readonly records: Records

  /** Writes what is not yet written and lets go of every resource. Judging afterwards rejects. */
  close(): Promise<void>

  /**
   * The same for a process that is about to exit and can wait for nothing: writes what can be written at once. Haraka
   * ends that way unless `graceful_shutdown` is set. Never throws.
   */
  closeNow(): void
}

export const MAX_KEY_LENGTH = 300
export const LEASE_ID_LENGTH = 12
/** Characters: a board is for marks, not for data. */
export const MAX_BOARD_TEXT = 2000
/** Every process holds them all in memory. */
export const MAX_BOARD_ENTRIES = 100_000
/** Characters. */
export const MAX_RECORD_TEXT = 1000
/** Kept at most, unless `store.max_records` says otherwise. */
export const MAX_RECORDS = 2_000_000
/** No batch is larger; the policy compiler refuses a configuration that could ask more at one stage. */
export const MAX_ASKS = 64
/** No slot of a rate is reserved further ahead. */
export const MAX_AHEAD_MS = 3_600_000
/** No merit holds more samples. */
export const MOST_SAMPLES = 1_000_000
/** Beyond so many different values a sketch of 1024 bits says too little. */
export const MOST_DISTINCT = 600

export type StoreErrorCode =
  'STORE_CLOSED' | 'STORE_UNREACHABLE' | 'STORE_TIMEOUT' | 'STORE_REFUSED' | 'STORE_UNUSABLE' | 'STORE_FULL'

/** An operating error of a store: it says what happened, where, and in `message` how to mend it. */
export class StoreError extends Error {
  constructor(
    readonly code: StoreErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = 'StoreError'
  }
}

/** Wall clock in milliseconds; tests and simulations inject their own. */
export type Clock = () => number

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { checkEntries, checkKeys } from '../board'
import {
  type Ask,
  type BoardChange,
  type BoardEntry,
  type KeyState,
  type LeaseRef,
  MAX_BOARD_ENTRIES,
  type Ping,
  type Records,
  StoreError,
  type Verdict,
} from '../store'
import { mistakeIn } from '../engine/mistake'
import { Channels } from './channels'
import { type RedisClient, makeClient } from './connect'
import { withDeadline } from './deadline'
import { Gatherer } from './gatherer'
import { listKeys, pingServer } from './inspect'
import { isMissingScript, isReadOnly, saysOnlyClosed, textOf, timeoutError, toStoreError } from './redis-error'
import { type RedisTarget, parseRedisUrl, redactText, redactUrl } from './redis-url'
import { Resets } from './resets'
import { type Script, loadScript } from './script'
import { SharedBoard } from './shared-board'
import { SharedRecords } from './shared-records'
import type { Charge, SharedStore } from './shared-store'
import { decodeVerdicts, encodeBatches, encodeCharges } from './wire'

export interface RedisStoreOptions {
  /** `redis://`, `rediss://`, `unix:`, `redis+sentinel://` or `redis+cluster://`; see `redis-url.ts`. */
  readonly url: string
  /** First part of every key, and the hash tag that keeps them all in one slot. */
  readonly prefix?: string
  /** How long a judgement may take before it rejects with STORE_TIMEOUT. */
  readonly commandTimeoutMs?: number
  /** Name of the connection in CLIENT LIST. */
  readonly clientName?: string
  /** Beyond this many entries of the board the soonest to expire go. */
  readonly maxBoardEntries?: number
  /** Beyond this many records no new one is taken. */
  readonly maxRecords?: number | undefined
  /** For what an operator must read. */
  readonly onNotice?: (message: string) => void
}

const OPEN_TIMEOUT_MS = 1000
/** For people's questions and for what piled up in an outage: nobody at SMTP waits for these. */
const PATIENT_MS = 2000
/** A listing walks over all keys of the server. */
const LISTING_MS = 20_000
/** A process that has been silent for this long shares no quota any more. */
const DEAD_AFTER_MS = 10_000
/** Keys that one call names; more go in several calls. */
const KEYS_PER_CALL = 500
/** Keys that one call judges: some tenths of a millisecond, in which Redis serves nobody else. */
const KEYS_PER_JUDGEMENT = 64
const PREFIX = /^[A-Za-z0-9_.:-]{1,64}$/

/**
 * Counts in a Redis or Valkey that several hosts share: a batch is one round trip, together with those of the sessions
 * served in the same turn of the event loop, and judged by the server's clock. Keys are `{<prefix>}:1:<key>`, hold what `engine/codec.ts` describes, and expire by themselves.
 *
 * A call never waits for a connection: without one it rejects with {@link StoreError} at once, and `FailoverStore`
 * answers in its place.
 */
export class RedisStore implements SharedStore {
  readonly kind = 'redis'
  readonly records: Records
  private readonly target: RedisTarget
  private readonly where: string
  private readonly keyPrefix: string
  private readonly nodesKey: string
  private readonly id = `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`
  private readonly timeoutMs: number
  private readonly client: RedisClient
  private readonly channels: Channels
  private readonly resets: Resets
  private readonly board: SharedBoard
  private lastTrouble: string | undefined
  private beating = false
  private closed = false

  private readonly judgements = new Gatherer<readonly Ask[], Verdict>({
    send: (batches) => this.judgeAll(batches),
    sizeOf: (asks) => asks.length,
    most: KEYS_PER_JUDGEMENT,
  })

  private readonly judgeScript = loadScript('judge-1')
  private readonly releaseScript = loadScript('release-1')
  private readonly renewScript = loadScript('renew-1')
  private readonly chargeScript = loadScript('charge-1')
  private readonly beatScript = loadScript('beat-1')

  /** Throws {@link StoreError} STORE_UNUSABLE when the URL or the prefix is malformed. It connects in {@link open}. */
  constructor(options: RedisStoreOptions) {
    const { url, prefix = 'sluice', commandTimeoutMs = 80, clientName = 'sluice', onNotice = () => {} } = options
    if (!PREFIX.test(prefix)) {
      throw new StoreError('STORE_UNUSABLE', `the Redis prefix "${prefix}" must be 1 to 64 of A-Z a-z 0-9 _ . : -`)
    }
    this.target = parseRedisUrl(url)
    this.where = redactUrl(url)
    this.keyPrefix = `{${prefix}}:1:`
    this.nodesKey = `{${prefix}}:nodes`
    this.timeoutMs = commandTimeoutMs
    this.client = makeClient(this.target, clientName)
    this.client.on('error', (error: unknown) => this.noteTrouble(this.redact(textOf(error))))
    this.client.on('close', () => (this.lastTrouble ??= 'the connection was closed'))
    this.client.on('ready', () => (this.lastTrouble = undefined))
    this.channels = new Channels(makeClient(this.target, `${clientName}-channels`), (error) => {
      if (!this.closed) onNotice(`What other processes reset and post is not heard. ${this.convert(error).message}`)
    })
    this.resets = new Resets(this.channels, `{${prefix}}:1:reset`, this.id)
    this.board = new SharedBoard({
      channels: this.channels,
      prefix: `{${prefix}}:board-1`,
      ownId: this.id,
      most: options.maxBoardEntries ?? MAX_BOARD_ENTRIES,
      run: (script, keys, args) => this.run(script, keys, args, PATIENT_MS),
      ask: (question) => this.ask(() => question(this.client)),
    })
    this.records = new SharedRecords({
      name: `{${prefix}}:records-1`,
      where: this.where,
      most: options.maxRecords,
      look: (script, keys, args) => this.run(script, keys, args, this.timeoutMs),
      change: (script, keys, args) => this.run(script, keys, args, PATIENT_MS),
      ask: (question) => this.ask(() => question(this.client)),
    })
    this.client.on('ready', () => this.board.readNow())
  }

  /**
   * Resolves when connected and, if it does not take longer, the board is read. Rejects after 1 s at most, and goes on
   * trying in the background until {@link close}.
   */
  async open(): Promise<void> {
    await this.guard(this.connectBoth(), OPEN_TIMEOUT_MS, () => new Error(`no connection within ${OPEN_TIMEOUT_MS} ms`))
    await Promise.race([this.board.opened(), delay(OPEN_TIMEOUT_MS, undefined, { ref: false })])
  }

  /** Rejects when both have failed or are ready, with what the client says: it is told why, the other often only that. */
  private async connectBoth(): Promise<void> {
    const outcomes = await Promise.allSettled([this.client.connect(), this.channels.open()])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  judge(asks: readonly Ask[]): Promise<Verdict> {
    if (asks.length === 0) return Promise.resolve({ committed: true, answers: [], degraded: false })
    // Before it is gathered with the batches of others, who would be rejected too.
    const mistake = mistakeIn(asks)
    if (mistake) return Promise.reject(mistake)
    return this.judgements.ask(asks)
  }

  async release(leases: readonly LeaseRef[]): Promise<void> {
    for (const part of inParts(leases)) {
      const ids = part.map((lease) => lease.id)
      await this.run(this.releaseScript, this.namesOf(part), ids, this.timeoutMs)
    }
  }

  async renew(leases: readonly LeaseRef[], ttlMs: number): Promise<void> {
    for (const part of inParts(leases)) {
      const ids = part.map((lease) => lease.id)
      await this.run(this.renewScript, this.namesOf(part), [String(ttlMs), ...ids], this.timeoutMs)
    }
  }

  async charge(charges: readonly Charge[]): Promise<void> {
    if (charges.length === 0) return
    await this.run(this.chargeScript, this.namesOf(charges), encodeCharges(charges), PATIENT_MS)
  }

  async beat(): Promise<number> {
    this.beating = true
    this.channels.ping()
    // Not waited for; a server that does not answer it does not answer the beat either.
    this.board.check().catch(() => {})
    return Number(await this.run(this.beatScript, [this.nodesKey], [this.id, String(DEAD_AFTER_MS)], this.timeoutMs))
  }

  list(prefix: string, most: number): Promise<KeyState[]> {
    return this.ask(() => listKeys(this.client, this.keyPrefix, prefix, most), LISTING_MS)
  }

  async reset(keys: readonly string[]): Promise<number> {
    let known = 0
    for (const part of inParts(keys)) {
      known += await this.ask(() => this.client.del(part.map((key) => this.keyPrefix + key)))
      for (const key of part) this.resets.tell(key)
      const { channel } = this.resets
      await this.ask(() => Promise.all(part.map((key) => this.client.publish(channel, this.resets.message(key)))))
    }
    return known
  }

  ping(): Promise<Ping> {
    return this.ask(() => pingServer(this.client, this.where))
  }

  onReset(listener: (key: string) => void): void {
    this.resets.listen(listener)
  }

  /** Those who listen here have heard by the time it resolves, or will by a reading that is under way. */
  async post(entries: readonly BoardEntry[]): Promise<void> {
    checkEntries(entries)
    await this.board.post(entries)
  }

  async withdraw(keys: readonly string[]): Promise<number> {
    checkKeys(keys)
    return this.board.withdraw(keys)
  }

  readBoard(prefix: string, most: number): Promise<BoardEntry[]> {
    return this.board.read(prefix, most)
  }

  onBoard(listener: (change: BoardChange) => void): void {
    this.board.listen(listener)
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    if (this.beating && this.client.status === 'ready') {
      // Says good-bye, so that the shares of the others grow at once; else they do when it counts as dead.
      const left = this.client.zrem(this.nodesKey, this.id)
      await withDeadline(left, this.timeoutMs, () => new Error('late')).catch(() => {})
    }
    this.board.close()
    this.channels.close()
    this.client.disconnect()
  }

  /** Nothing can be waited for: the others learn by its silence that this process is gone. */
  closeNow(): void {
    this.closed = true
  }

  private async judgeAll(batches: readonly (readonly Ask[])[]): Promise<Verdict[]> {
    const names: string[] = []
    for (const asks of batches) for (const ask of asks) names.push(this.keyPrefix + ask.key)
    const reply = await this.run(this.judgeScript, names, encodeBatches(batches), this.timeoutMs)
    return decodeVerdicts(reply as number[], batches)
  }

  private namesOf(parts: readonly { readonly key: string }[]): string[] {
    return parts.map((part) => this.keyPrefix + part.key)
  }

  private run(script: Script, keys: readonly string[], args: readonly string[], timeoutMs: number): Promise<unknown> {
    if (this.closed) return Promise.reject(this.convert(undefined))
    return this.guard(this.send(script, [script.sha, String(keys.length), ...keys, ...args]), timeoutMs)
  }

  private async send(script: Script, args: string[]): Promise<unknown> {
    try {
      return await this.client.call('evalsha', args)
    } catch (error) {
      if (!isMissingScript(error)) throw error
      args[0] = script.lua
      return this.client.call('eval', args)
    }
  }

  /** Runs a question of people, who can wait longer than a message. */
  private async ask<T>(question: () => Promise<T>, timeoutMs = PATIENT_MS): Promise<T> {
    if (this.closed) throw this.convert(undefined)
    return this.guard(question(), timeoutMs)
  }

  /** Bounds a call in time, and turns every error into a {@link StoreError} that holds no secret. */
  private async guard<T>(work: Promise<T>, timeoutMs: number, late?: () => Error): Promise<T> {
    try {
      return await withDeadline(work, timeoutMs, late ?? (() => timeoutError(this.where, timeoutMs)))
    } catch (error) {
      throw this.convert(error)
    }
  }

  private convert(error: unknown): StoreError {
    if (this.closed) return new StoreError('STORE_CLOSED', `the Redis store at ${this.where} is closed`)
    if (error instanceof StoreError) return error
    const text = this.redact(textOf(error))
    // The driver hangs up on a replica to look for the primary; until it is connected again this remains the reason.
    if (error instanceof Error && isReadOnly(error)) this.lastTrouble = text
    return toStoreError(text, this.where, this.lastTrouble, this.target.password !== undefined)
  }

  private noteTrouble(text: string): void {
    if (!saysOnlyClosed(text)) this.lastTrouble = text
  }

  private redact(text: string): string {
    return redactText(text, this.target)
  }
}

function inParts<T>(items: readonly T[]): T[][] {
  const parts: T[][] = []
  for (let at = 0; at < items.length; at += KEYS_PER_CALL) parts.push(items.slice(at, at + KEYS_PER_CALL))
  return parts
}

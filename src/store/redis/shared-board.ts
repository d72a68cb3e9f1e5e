import type { BoardStep } from '../board'
import type { BoardChange, BoardEntry } from '../store'
import { decodeEntry, decodeMessage, encodeSteps } from './board-wire'
import type { Channels } from './channels'
import type { RedisClient } from './connect'
import { withDeadline } from './deadline'
import { escapeGlob, serverTime } from './inspect'
import { type Script, loadScript } from './script'

export interface SharedBoardOptions {
  readonly channels: Channels
  /** First part of the names of its keys and of its channel. */
  readonly prefix: string
  /** Of this process among all. */
  readonly ownId: string
  readonly most: number
  /** Both settle within a bounded time, and reject with a StoreError only. */
  readonly run: (script: Script, keys: readonly string[], args: readonly string[]) => Promise<unknown>
  readonly ask: <T>(question: (client: RedisClient) => Promise<T>) => Promise<T>
}

const STEPS_PER_CALL = 50
const SCAN_COUNT = 500
/** Bounds a reading on a server that holds far more than it should. */
const SCAN_STEPS = 1000
/** So long a change of ours may take to come back to us. */
const HEARD_WITHIN_MS = 1000
const RETRY_MS = 1000

/**
 * The board in Redis. Every change is one script, which publishes it in the same step; so all processes hear all changes
 * in one order, their own included. After each subscription everything is read, in parts, and what is heard meanwhile
 * comes on top. Changes are numbered: when a number was missed everything is read anew, and when the number is lower than
 * before, the server has lost what it had.
 */
export class SharedBoard {
  private readonly script = loadScript('board-1')
  private readonly listeners: ((change: BoardChange) => void)[] = []
  private readonly keys: readonly [entries: string, expiries: string, number: string]
  private readonly channel: string
  /** Changes of ours that have not been heard yet, by the name of the call. */
  private readonly unheard = new Map<string, (heard: boolean) => void>()
  /** Number of the latest change that was heard or read. */
  private number = 0
  private doubted: number | undefined
  private everRead = false
  /** The server has lost what it had, and that is not told yet. */
  private lost = false
  private reading: Promise<void> | undefined
  /** Heard while reading. */
  private backlog: BoardStep[] | undefined
  private mustReadAgain = false
  private retry: NodeJS.Timeout | undefined
  private calls = 0
  private closed = false

  constructor(private readonly options: SharedBoardOptions) {
    const { prefix, channels } = options
    this.keys = [`${prefix}:entries`, `${prefix}:expiries`, `${prefix}:number`]
    this.channel = `${prefix}:changes`
    channels.join(this.channel, {
      receive: (message) => this.receive(message),
      subscribed: () => void this.readAll(),
      lost: () => this.settleUnheard(),
    })
  }

  async post(entries: readonly BoardEntry[]): Promise<void> {
    await this.change(entries.map((entry) => ({ kind: 'posted', entry })))
  }

  async withdraw(keys: readonly string[]): Promise<number> {
    return this.change(keys.map((key) => ({ kind: 'withdrawn', key })))
  }

  /** Live entries by the server's clock. */
  async read(prefix: string, most: number): Promise<BoardEntry[]> {
    const { ask } = this.options
    const found = new Map<string, BoardEntry>()
    const pattern = `${escapeGlob(prefix)}*`
    const now = await ask(serverTime)
    let cursor = '0'
    for (let step = 0; step < SCAN_STEPS && found.size < most; step++) {
      const [following, fields] = await ask((client) =>
        client.hscan(this.keys[0], cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT),
      )
      for (let at = 0; at + 1 < fields.length; at += 2) {
        const entry = decodeEntry(fields[at]!, fields[at + 1]!)
        if (entry && entry.expiresAt > now) found.set(entry.key, entry)
      }
      cursor = following
      if (cursor === '0') break
    }
    return [...found.values()].slice(0, most)
  }

  listen(listener: (change: BoardChange) => void): void {
    this.listeners.push(listener)
    if (this.options.channels.subscribed) void this.readAll()
  }

  /** Resolves when those who listen know everything, or that could not be read. */
  async opened(): Promise<void> {
    await this.reading
    if (!this.everRead) await this.readAll()
  }

  /** Reads at once what could not be read, for want of a connection. */
  readNow(): void {
    if (this.retry) void this.readAll()
  }

  /** To be called now and then: a cluster may exchange the connection behind our back, so that changes are missed. */
  async check(): Promise<void> {
    if (this.listeners.length === 0 || this.reading) return
    const number = await this.readNumber()
    if (number === this.number) this.doubted = undefined
    // A change may be on its way for once, but not from one check to the next.
    else if (this.doubted === this.number) void this.readAll()
    else this.doubted = this.number
  }

  close(): void {
    this.closed = true
    clearTimeout(this.retry)
    this.settleUnheard()
  }

  private async change(steps: readonly BoardStep[]): Promise<number> {
    let known = 0
    for (let at = 0; at < steps.length; at += STEPS_PER_CALL) {
      known += await this.changeOnce(steps.slice(at, at + STEPS_PER_CALL))
    }
    return known
  }

  /** Resolves when those who listen here know too, or will by a reading that is under way. */
  private async changeOnce(steps: readonly BoardStep[]): Promise<number> {
    const { ownId, most, run, channels } = this.options
    const name = `${ownId}:${++this.calls}`
    const listens = this.listeners.length > 0 && channels.subscribed
    const heard = listens && new Promise<boolean>((resolve) => this.unheard.set(name, resolve))
    try {
      const reply = await run(this.script, this.keys, [this.channel, name, String(most), ...encodeSteps(steps)])
      const [known, published] = reply as [number, number]
      if (published === 1 && !(await this.isHeard(heard))) this.take(steps)
      return known
    } finally {
      this.unheard.delete(name)
    }
  }

  private async isHeard(heard: Promise<boolean> | false): Promise<boolean> {
    if (heard === false) return false
    try {
      return await withDeadline(heard, HEARD_WITHIN_MS, () => new Error('not heard'))
    } catch {
      // Others may have been missed as well.
      void this.readAll()
      return false
    }
  }

  private settleUnheard(): void {
    for (const settle of this.unheard.values()) settle(false)
  }

  private receive(text: string): void {
    const message = decodeMessage(text)
    if (!message) return
    const missed = message.number > this.number + 1
    this.number = Math.max(this.number, message.number)
    this.take(message.steps)
    this.unheard.get(message.name)?.(true)
    if (missed) void this.readAll()
  }

  private take(steps: readonly BoardStep[]): void {
    if (this.backlog) this.backlog.push(...steps)
    else for (const step of steps) this.tell(step)
  }

  private tell(change: BoardChange): void {
    for (const listener of this.listeners) listener(change)
  }

  /** Reads everything and tells it, if anybody listens; tries again later when that fails. */
  private async readAll(): Promise<void> {
    if (this.listeners.length === 0 || this.closed) return
    clearTimeout(this.retry)
    this.retry = undefined
    this.mustReadAgain = true
    this.reading ??= this.readToEnd().finally(() => (this.reading = undefined))
    await this.reading
  }

  private async readToEnd(): Promise<void> {
    const entries = await this.tryToRead()
    const heard = this.backlog ?? []
    this.backlog = undefined
    if (entries) {
      this.everRead = true
      const everything = { kind: 'all', entries: withSteps(entries, heard) } as const
      this.tell(this.lost ? { ...everything, lost: true } : everything)
      this.lost = false
    } else {
      for (const step of heard) this.tell(step)
      if (!this.closed) this.retry = setTimeout(() => void this.readAll(), RETRY_MS).unref()
    }
  }

  /** Undefined when it cannot be read; the connection of the store says what is wrong. */
  private async tryToRead(): Promise<BoardEntry[] | undefined> {
    try {
      let entries: BoardEntry[] = []
      while (this.mustReadAgain) {
        this.mustReadAgain = false
        this.backlog = []
        const number = await this.readNumber()
        if (number < this.number) this.lost = true
        this.number = number
        entries = await this.read('', Infinity)
      }
      return entries
    } catch {
      return undefined
    }
  }

  private async readNumber(): Promise<number> {
    return Number(await this.options.ask((client) => client.get(this.keys[2])))
  }
}

function withSteps(entries: readonly BoardEntry[], steps: readonly BoardStep[]): BoardEntry[] {
  if (steps.length === 0) return [...entries]
  const all = new Map(entries.map((entry) => [entry.key, entry]))
  for (const step of steps) {
    if (step.kind === 'posted') all.set(step.entry.key, step.entry)
    else all.delete(step.key)
  }
  return [...all.values()]
}

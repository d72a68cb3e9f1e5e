import { LoadLevel } from './level'

/** What is measured; the worst of them makes the level. */
export const SIGNALS = ['loop', 'delay', 'cpu', 'memory', 'disk', 'queue', 'sessions'] as const
export type Signal = (typeof SIGNALS)[number]

/**
 * Turning strangers away shortens no queue of deliveries, and a few thousand idle sockets are easily had: neither may shut
 * known clients out.
 */
const BOUNDED: ReadonlySet<Signal> = new Set(['queue', 'sessions'] as const)

/** Each as a share of its threshold, at most 100: at 1 the level rises. */
export type Pressures = Readonly<Record<Signal, number>>

/** From where on each signal counts as overload. */
export interface Thresholds {
  /** Share of the time for which the event loop is busy, 0 to 1. */
  readonly loop: number
  /** How late the event loop is, in milliseconds. */
  readonly delayMs: number
  /** Share of the processors that this process may use, 0 to 1. */
  readonly cpu: number
  /** Share of the memory that this process may use, 0 to 1. */
  readonly memory: number
  /** Bytes that must be free where mail is kept. */
  readonly diskFreeBytes: number
  /** Messages waiting for a delivery to be free. */
  readonly queue: number
  /** Sessions open at a time. */
  readonly sessions: number
}

/** Where figures come from; a test brings its own. Shares are 0 to 1. */
export interface Samples {
  /** Share of the time since the last call for which the event loop was busy. */
  loop(): number
  /** Share of the processors used since the last call. */
  cpu(): number
  memory(): number
  /** Bytes free on the fullest of the file systems that matter; `Infinity` when unknown. */
  diskFreeBytes(): Promise<number>
  queue(): number
  sessions(): Promise<number>
}

export interface LoadMeterOptions {
  readonly thresholds: () => Thresholds
  readonly samples: Samples
  /** Told of each change by whole steps. */
  readonly onStep: (level: number, before: number, pressures: Pressures) => void
}

/** The event loop is looked at so often: it is the one that fills up within a second. */
const TICK_MS = 20
/** The others, every so many ticks. */
const SLOW_TICKS = 50
const DISK_TICKS = 250
/** A process that has just started is busy with itself. */
const GRACE_TICKS = 50
/**
 * Weight of the newest tick in the share for which the loop was busy; of a longer time as many ticks as it holds. Slower
 * means would let in more strangers, and cost partners ten times the latency whenever a queue forms.
 */
const NEWEST = 0.4
/** Pressures are told to people: no room at all on a disk is not a billion times too little. */
const MOST_PRESSURE = 100
/** Over less time a share says nothing. */
const LEAST_MS = 5

/** Samples a process and keeps its load level. Costs some microseconds a tick; its timer keeps no process alive. */
export class LoadMeter {
  pressures: Pressures = { loop: 0, delay: 0, cpu: 0, memory: 0, disk: 0, queue: 0, sessions: 0 }
  private readonly level = new LoadLevel()
  private readonly timer: NodeJS.Timeout
  private ticks = 0
  private dueAt: number
  private lookedAt = performance.now()
  private step = 0
  private loop = 0
  private late = 0

  constructor(private readonly options: LoadMeterOptions) {
    options.samples.loop()
    options.samples.cpu()
    this.dueAt = performance.now() + TICK_MS
    this.timer = setInterval(() => this.tick(performance.now()), TICK_MS).unref()
  }

  /**
   * 0 to 4, see {@link LoadLevel}. Who asks gets it as it is now: a busy loop has long turns, in which timers wait and many
   * clients are judged.
   */
  get value(): number {
    const now = performance.now()
    if (now - this.lookedAt >= TICK_MS) this.look(now)
    return this.level.value
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private tick(now: number): void {
    const { samples, thresholds } = this.options
    const limit = thresholds()
    this.late += (Math.max(0, now - this.dueAt) - this.late) * NEWEST
    this.dueAt = now + TICK_MS
    const pressures = { ...this.pressures, delay: pressureOf(this.late, limit.delayMs) }
    if (this.ticks % SLOW_TICKS === 0) {
      pressures.cpu = pressureOf(samples.cpu(), limit.cpu)
      pressures.memory = pressureOf(samples.memory(), limit.memory)
      pressures.queue = pressureOf(samples.queue(), limit.queue)
      this.learn('sessions', samples.sessions(), (open) => pressureOf(open, limit.sessions))
    }
    if (this.ticks % DISK_TICKS === 0) {
      this.learn('disk', samples.diskFreeBytes(), (free) => pressureOf(limit.diskFreeBytes, Math.max(1, free)))
    }
    this.ticks++
    this.pressures = pressures
    this.look(now)
  }

  /** Takes in how busy the loop has been since the last look. */
  private look(now: number): void {
    const elapsedMs = now - this.lookedAt
    if (elapsedMs >= LEAST_MS) {
      this.lookedAt = now
      this.loop += (this.options.samples.loop() - this.loop) * (1 - (1 - NEWEST) ** (elapsedMs / TICK_MS))
      this.pressures = { ...this.pressures, loop: pressureOf(this.loop, this.options.thresholds().loop) }
    }
    if (this.ticks <= GRACE_TICKS) return
    const [pressure, bounded] = worstOf(this.pressures)
    this.level.update(pressure, now, bounded)
    this.tell()
  }

  /** What cannot be measured presses nobody. */
  private learn(signal: Signal, figure: Promise<number>, pressureOf: (figure: number) => number): void {
    const take = (pressure: number) => (this.pressures = { ...this.pressures, [signal]: pressure })
    figure.then(
      (known) => take(pressureOf(known)),
      () => take(0),
    )
  }

  private tell(): void {
    const step = Math.floor(this.level.value)
    if (step === this.step) return
    const before = this.step
    this.step = step
    this.options.onStep(step, before, this.pressures)
  }
}

function pressureOf(figure: number, threshold: number): number {
  return Math.min(MOST_PRESSURE, figure / threshold)
}

/** The worst of those that may raise the level to the end, and the worst of the others. */
function worstOf(pressures: Pressures): [number, number] {
  let [pressure, bounded] = [0, 0]
  for (const signal of SIGNALS) {
    if (BOUNDED.has(signal)) bounded = Math.max(bounded, pressures[signal])
    else pressure = Math.max(pressure, pressures[signal])
  }
  return [pressure, bounded]
}

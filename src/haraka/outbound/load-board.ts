import { MAIL_CLASSES, type MailClass } from '../../egress/fair-queue'
import {
  MOST_REPORTED,
  type PathReport,
  type ProcessReport,
  loadEntry,
  loadKey,
  processEntry,
} from '../../egress/path-load'
import { Pace } from '../../egress/pace'
import type { Store } from '../../store/store'
import type { Work } from './deliveries-options'

export interface LoadBoardOptions {
  /** Name of this process. */
  readonly process: string
  readonly store: () => Store
  readonly work: () => Iterable<Work>
  /** Messages of this process that are tried again later. */
  readonly putOff: () => number
  readonly onFailure: (error: unknown) => void
  readonly clock?: () => number
}

const EVERY_MS = 10_000
/** After something was ordered, so that people see what it does; several orders at once are one change. */
const SOON_MS = 500

/** Tells all who look at the store's board what this process has to do, by path. */
export class LoadBoard {
  private readonly pace: Pace
  private readonly clock: () => number
  private posted: readonly string[] = []
  private timer: NodeJS.Timeout | undefined
  private soon: NodeJS.Timeout | undefined

  constructor(private readonly options: LoadBoardOptions) {
    this.clock = options.clock ?? Date.now
    this.pace = new Pace(this.clock())
  }

  /** From now on. */
  start(): void {
    this.timer = setInterval(() => void this.publish(), EVERY_MS)
    this.timer.unref()
    this.changed()
  }

  /** An attempt on a path has ended. */
  noteEnd(path: string): void {
    this.pace.note(path)
  }

  /** What holds has changed: people who look now want to see it. */
  changed(): void {
    this.soon ??= setTimeout(() => {
      this.soon = undefined
      void this.publish()
    }, SOON_MS)
    this.soon.unref()
  }

  close(): void {
    clearInterval(this.timer)
    clearTimeout(this.soon)
  }

  /** Never rejects: what could not be posted is told, and posted again soon. */
  async publish(): Promise<void> {
    const { process, store, putOff, onFailure } = this.options
    const at = this.clock()
    const work = [...this.options.work()]
    this.pace.turn(at)
    const reports = work
      .sort((a, b) => b.waiting - a.waiting || b.underWay - a.underWay)
      .slice(0, MOST_REPORTED)
      .map((one) => reportOf(one, { process, at, pace: this.pace.of(one.path) }))
    const all: ProcessReport = {
      ...{ process, at, putOff: putOff(), paths: work.length },
      waiting: work.reduce((sum, { waiting }) => sum + waiting, 0),
      underWay: work.reduce((sum, { underWay }) => sum + underWay, 0),
    }
    const keys = new Set(reports.map(loadKey))
    const over = this.posted.filter((key) => !keys.has(key))
    this.posted = [...keys]
    try {
      await store().post([processEntry(all), ...reports.map(loadEntry)])
      if (over.length > 0) await store().withdraw(over)
    } catch (error) {
      onFailure(error)
    }
  }
}

function reportOf(work: Work, by: Pick<PathReport, 'process' | 'at' | 'pace'>): PathReport {
  const { path, provider, classes, underWay, connections, hold, limits } = work
  const counts = MAIL_CLASSES.map((mailClass) => [
    mailClass,
    classes.find((load) => load.mailClass === mailClass)?.waiting ?? 0,
  ])
  return {
    ...by,
    path,
    provider,
    waiting: Object.fromEntries(counts) as Record<MailClass, number>,
    underWay,
    connections,
    oldestDueAt: classes.length === 0 ? undefined : Math.min(...classes.map(({ oldestDueAt }) => oldestDueAt)),
    hold,
    limits: {
      connections: limits.connections,
      intervalMs: limits.rate?.intervalMs,
      suspendedUntil: limits.suspendedUntil,
      warmingUntil: limits.warmingUntil,
    },
  }
}

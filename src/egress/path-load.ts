import { type BoardEntry, MAX_KEY_LENGTH } from '../store/store'
import { MAIL_CLASSES, type MailClass } from './fair-queue'
import type { PathHold } from './path-dispatcher'
import { isAmount, isMaybeAmount, isObject, readObject } from './untrusted'
import { pathKey } from './path-key'

/** What keeps the messages of a path: {@link PathHold}, its connection rate, or what a process may have under way. */
export type Hold = PathHold | 'connection_rate' | 'process'
export const HOLDS = [
  'suspended',
  'warmup',
  'rate',
  'connections',
  'connection_rate',
  'process',
  'store',
  'nothing',
] as const satisfies readonly Hold[]

/** What one process has to do for a path, as it stood `at`. Times in milliseconds since 1970. */
export interface PathReport {
  readonly process: string
  readonly path: string
  /** As `providers.yaml` calls it; undefined where none matches. */
  readonly provider?: string | undefined
  readonly at: number
  readonly waiting: Readonly<Record<MailClass, number>>
  readonly underWay: number
  readonly connections: number
  /** When the message was due that has waited longest; undefined when none waits. */
  readonly oldestDueAt: number | undefined
  /** Attempts that ended lately, a second. */
  readonly pace: number
  readonly hold: Hold
  /** In force for all processes together. */
  readonly limits: {
    readonly connections: number
    /** Between two messages; undefined: no limit. */
    readonly intervalMs: number | undefined
    readonly suspendedUntil: number | undefined
    /** When its warm-up lets something go again. */
    readonly warmingUntil?: number | undefined
  }
}

/** What one process that delivers has altogether. */
export interface ProcessReport {
  readonly process: string
  readonly at: number
  readonly waiting: number
  readonly underWay: number
  /** Messages that are tried again later. */
  readonly putOff: number
  /** Paths with something to do; those beyond {@link MOST_REPORTED} are not reported. */
  readonly paths: number
}

/** Where reports stand on the store's board. */
export const LOAD_PREFIX = 'egress_load|'
export const PROCESS_PREFIX = 'egress_process|'
/** What is not refreshed goes after this: the process has ended. */
export const REPORT_TTL_MS = 30_000
/** Of a process, the paths with the most to do. */
export const MOST_REPORTED = 200
/** Long enough for any name of a host, and leaves room for a path in a key. */
const MOST_PROCESS = 80
const PRINTABLE = /^[\x21-\x7e]+$/
const PROCESS = new RegExp(`^[A-Za-z0-9._-]{1,${MOST_PROCESS}}$`)

/** A name for a process that is told from all others: `mx1.example.net-4711-7KQ2M4X`. */
export function processName(host: string, pid: number, unique: string): string {
  const end = `-${pid}-${unique}`
  return host.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, MOST_PROCESS - end.length) + end
}

export function isProcessName(text: unknown): text is string {
  return typeof text === 'string' && PROCESS.test(text)
}

export function loadKey({ process, path }: Pick<PathReport, 'process' | 'path'>): string {
  return pathKey(LOAD_PREFIX + process, path)
}

export function loadEntry(report: PathReport): BoardEntry {
  // Its process stands in the key.
  const text = JSON.stringify({ ...report, process: undefined })
  return { key: loadKey(report), text, expiresAt: report.at + REPORT_TTL_MS }
}

export function processEntry({ process, ...rest }: ProcessReport): BoardEntry {
  return { key: PROCESS_PREFIX + process, text: JSON.stringify(rest), expiresAt: rest.at + REPORT_TTL_MS }
}

/** Undefined for an entry that is none, or that a newer release has written in another way. */
export function readLoad({ key, text }: BoardEntry): PathReport | undefined {
  const process = key.startsWith(LOAD_PREFIX) ? key.slice(LOAD_PREFIX.length).split('|', 1)[0] : undefined
  if (!isProcessName(process)) return undefined
  const { path, provider, at, waiting, underWay, connections, oldestDueAt, pace, hold, limits } = readObject(text)
  if (provider !== undefined && typeof provider !== 'string') return undefined
  if (typeof path !== 'string' || path.length > MAX_KEY_LENGTH || !PRINTABLE.test(path)) return undefined
  if (loadKey({ process, path }) !== key || !HOLDS.includes(hold as Hold)) return undefined
  if (![at, underWay, connections, pace].every(isAmount) || !isMaybeAmount(oldestDueAt)) return undefined
  if (!isObject(waiting) || !MAIL_CLASSES.every((mailClass) => isAmount(waiting[mailClass]))) return undefined
  if (!isObject(limits) || !isAmount(limits.connections)) return undefined
  const { connections: most, intervalMs, suspendedUntil, warmingUntil } = limits
  if (![intervalMs, suspendedUntil, warmingUntil].every(isMaybeAmount)) return undefined
  return {
    ...{ process, path, provider, at, waiting, underWay, connections, oldestDueAt, pace, hold },
    limits: { connections: most, intervalMs, suspendedUntil, warmingUntil },
  } as PathReport
}

/** As {@link readLoad}. */
export function readProcess({ key, text }: BoardEntry): ProcessReport | undefined {
  const process = key.startsWith(PROCESS_PREFIX) ? key.slice(PROCESS_PREFIX.length) : undefined
  if (!isProcessName(process)) return undefined
  const { at, waiting, underWay, putOff, paths } = readObject(text)
  if (![at, waiting, underWay, putOff, paths].every(isAmount)) return undefined
  return { process, at, waiting, underWay, putOff, paths } as ProcessReport
}

/** What all processes together have to do for a path. */
export interface PathTotal {
  readonly path: string
  /** Of each process, by its name. */
  readonly reports: readonly PathReport[]
  readonly waiting: Readonly<Record<MailClass, number>>
  readonly waitingInAll: number
  readonly underWay: number
  readonly connections: number
  readonly oldestDueAt: number | undefined
  readonly pace: number
  readonly limits: PathReport['limits']
  /** That of the process that has most waiting. */
  readonly hold: Hold
  /** In how long the last message leaves that waits now; 0 when none waits, undefined when nobody can tell. */
  readonly emptyInMs: number | undefined
}

/** Joins the reports of all processes, the busiest paths first. */
export function totalsOf(reports: readonly PathReport[], now: number): PathTotal[] {
  const byPath = new Map<string, PathReport[]>()
  for (const report of reports) byPath.set(report.path, [...(byPath.get(report.path) ?? []), report])
  return [...byPath.values()]
    .map((some) => totalOf(some, now))
    .sort((a, b) => b.waitingInAll - a.waitingInAll || b.underWay - a.underWay || (a.path < b.path ? -1 : 1))
}

function totalOf(reports: readonly PathReport[], now: number): PathTotal {
  const sum = (of: (report: PathReport) => number) => reports.reduce((total, report) => total + of(report), 0)
  const busiest = reports.reduce((a, b) => (waitingOf(b) > waitingOf(a) ? b : a))
  // The newest knows what was ordered last.
  const { limits } = reports.reduce((a, b) => (b.at > a.at ? b : a))
  const due = reports.flatMap(({ oldestDueAt }) => oldestDueAt ?? [])
  const total = {
    path: busiest.path,
    reports: [...reports].sort((a, b) => (a.process < b.process ? -1 : 1)),
    waiting: {
      transactional: sum(({ waiting }) => waiting.transactional),
      system: sum(({ waiting }) => waiting.system),
      marketing: sum(({ waiting }) => waiting.marketing),
    },
    waitingInAll: sum(waitingOf),
    underWay: sum(({ underWay }) => underWay),
    connections: sum(({ connections }) => connections),
    oldestDueAt: due.length === 0 ? undefined : Math.min(...due),
    pace: sum(({ pace }) => pace),
    limits,
    hold: busiest.hold,
  }
  return { ...total, emptyInMs: emptyInMs(total, now) }
}

function waitingOf({ waiting }: PathReport): number {
  return waiting.transactional + waiting.system + waiting.marketing
}

/** By the rate where that is what binds or nothing was sent yet, else by the pace of late, which the rate bounds. */
function emptyInMs(
  { waitingInAll, pace, hold, limits }: Pick<PathTotal, 'waitingInAll' | 'pace' | 'hold' | 'limits'>,
  now: number,
): number | undefined {
  if (waitingInAll === 0) return 0
  // That depends on more than this path.
  if (hold === 'warmup') return undefined
  const { intervalMs: leastMs = 0, suspendedUntil = 0 } = limits
  const isByRate = hold === 'rate' || hold === 'suspended' || pace === 0
  const eachMs = isByRate ? leastMs : Math.max(leastMs, 1000 / pace)
  // Without a limit, and before anything was sent.
  if (eachMs === 0) return undefined
  return Math.max(0, suspendedUntil - now) + waitingInAll * eachMs
}

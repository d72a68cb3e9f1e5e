import type { Hold, PathReport, PathTotal } from '../../egress/path-load'
import { humanTime } from '../terminal'
import { utc } from './show'

/** What keeps the messages of a path, in a few words. */
export function sayHold(hold: Hold, limits: PathReport['limits']): string {
  switch (hold) {
    case 'suspended':
      return limits.suspendedUntil === undefined ? 'suspended' : `suspended until ${utc(limits.suspendedUntil)}`
    case 'warmup':
      return limits.warmingUntil === undefined ? 'warm-up' : `warm-up, the next at ${utc(limits.warmingUntil)}`
    case 'rate':
      return 'message rate'
    case 'connections':
      return 'connections'
    case 'connection_rate':
      return 'connection rate'
    case 'process':
      return 'concurrency_max'
    case 'store':
      return 'the store does not answer'
    case 'nothing':
      return 'nothing'
  }
}

/** `20 in 1 s`, or how long one takes where that is more than a second. */
export function sayInterval(intervalMs: number | undefined): string {
  if (intervalMs === undefined || intervalMs === 0) return 'no limit'
  if (intervalMs <= 1000) return `${figure(1000 / intervalMs)}/s`
  return `${figure(60_000 / intervalMs)}/min`
}

/** When the last message leaves that waits now. */
export function sayEmpty({ emptyInMs, limits }: Pick<PathTotal, 'emptyInMs' | 'limits'>): string {
  if (emptyInMs === 0) return '-'
  if (emptyInMs !== undefined) return humanTime(emptyInMs)
  return limits.suspendedUntil === undefined ? 'unknown' : `after ${utc(limits.suspendedUntil)}`
}

export function sayAge(since: number | undefined, now: number): string {
  return since === undefined ? '-' : humanTime(Math.max(0, now - since))
}

export function totalForMachines({ reports, ...total }: PathTotal): object {
  const { path, waiting, waitingInAll, underWay, connections, oldestDueAt, pace, hold, limits, emptyInMs } = total
  return {
    path,
    waiting: { ...waiting, all: waitingInAll },
    underWay,
    connections,
    oldestDue: isoOf(oldestDueAt),
    attemptsPerSecond: pace,
    hold,
    limits: limitsForMachines(limits),
    emptyInMs,
    processes: reports.map((report) => ({
      process: report.process,
      at: isoOf(report.at),
      waiting: report.waiting,
      underWay: report.underWay,
      connections: report.connections,
      oldestDue: isoOf(report.oldestDueAt),
      attemptsPerSecond: report.pace,
      hold: report.hold,
    })),
  }
}

function limitsForMachines({ connections, intervalMs, suspendedUntil, warmingUntil }: PathReport['limits']): object {
  return { connections, intervalMs, suspendedUntil: isoOf(suspendedUntil), warmingUntil: isoOf(warmingUntil) }
}

function isoOf(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}

function figure(value: number): string {
  return String(Number(value.toFixed(2)))
}

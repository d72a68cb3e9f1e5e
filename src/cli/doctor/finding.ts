import type { HarakaDirectory } from '../haraka-directory'
import type { HarakaPackage } from '../run/find-haraka'

/** One thing that was looked at. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail'
  /** What was looked at, in a word; the same for all findings of one kind. */
  readonly check: string
  readonly what: string
  /** What to type or to change; always there unless `ok`. */
  readonly mend?: string
}

/** What the checks look at. */
export interface Patient {
  readonly dir: string
  readonly files: HarakaDirectory
  readonly haraka: HarakaPackage | undefined
}

export function ok(check: string, what: string): Finding {
  return { level: 'ok', check, what }
}

export function warn(check: string, what: string, mend: string): Finding {
  return { level: 'warn', check, what, mend }
}

export function fail(check: string, what: string, mend: string): Finding {
  return { level: 'fail', check, what, mend }
}

/** The mishaps, or one line that all is well. */
export function orFine(check: string, mishaps: readonly Finding[], fine: string): readonly Finding[] {
  return mishaps.length > 0 ? mishaps : [ok(check, fine)]
}

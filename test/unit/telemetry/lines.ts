import type { TelemetryEvent } from '../../../src/telemetry/events'
import { logLineReader } from '../../../src/telemetry/log-line'

/** The lines of some events, each behind its level. */
export function linesOf(events: readonly TelemetryEvent[], writesInfo = true): string[] {
  const lines: string[] = []
  const to = (level: string) => (line: string) => void lines.push(`${level} ${line}`)
  const log = { notice: to('notice'), info: to('info'), warn: to('warn'), error: to('error') }
  const reader = logLineReader({ ...log, writesInfo: () => writesInfo })
  for (const event of events) reader(event)
  return lines
}

/** Undoes the format: every field by its name. */
export function fieldsOf(line: string): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [, name, value] of line.matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|\S+)/g)) fields[name!] = value!
  return fields
}

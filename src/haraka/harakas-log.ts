import type { LineLog } from '../telemetry/line-log'
import type { HarakaPlugin } from './types'

/** Haraka's logger module, as far as we use it. */
interface HarakaLogger {
  readonly LOGINFO: number
  would_log?(level: number): boolean
  loginfo(...parts: unknown[]): void
  lognotice(...parts: unknown[]): void
  logwarn(...parts: unknown[]): void
  logerror(...parts: unknown[]): void
}

/** Haraka takes the origin of a line from an object's `name`. */
const ORIGIN = { name: 'sluice' }

/** Lines of the suite in Haraka's own log, under one name whichever plugin the line is about. */
export function harakasLog(plugin: HarakaPlugin): LineLog {
  const logger = plugin.haraka_require('logger') as HarakaLogger
  return {
    info: (line) => logger.loginfo(ORIGIN, line),
    notice: (line) => logger.lognotice(ORIGIN, line),
    warn: (line) => logger.logwarn(ORIGIN, line),
    error: (line) => logger.logerror(ORIGIN, line),
    writesInfo: () => logger.would_log?.(logger.LOGINFO) ?? true,
  }
}

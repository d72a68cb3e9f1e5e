/** Where lines go; the host's logger adds time and level. */
export interface LineLog {
  notice(line: string): void
  info(line: string): void
  warn(line: string): void
  error(line: string): void
  /** Whether `info` lines are written at all; if not, none is built. */
  readonly writesInfo: () => boolean
}

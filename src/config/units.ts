/**
 * Human units of the config. Each reader returns the value, or a sentence that says what was expected.
 * Sizes are powers of 1024, as mail servers have always counted SIZE.
 */

const DURATION_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZE_BYTES: Record<string, number> = { '': 1, B: 1, kB: 1024, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }

/** The longest window of a limit: its counters are kept that long. */
export const LONGEST_MS = 31 * 86_400_000
/** The largest amount a limit may have, 1 TB: stores count in 48 bits, and tiers multiply. */
export const MOST_UNITS = 1024 ** 4

export type Read<T> = { readonly value: T } | { readonly problem: string }

/** `90s`, `10m`, `2h`, `1d`, `250ms`, as whole milliseconds. */
export function readDuration(text: string, longestMs = LONGEST_MS): Read<number> {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)$/.exec(text.trim())
  if (!match) return { problem: `"${text}" is no duration: write a number and ms, s, m, h or d, such as 90s or 2h` }
  // Stores keep whole milliseconds; a fraction would come back as another window.
  const ms = Math.round(Number(match[1]) * DURATION_MS[match[2]!]!)
  if (ms <= 0 || ms > longestMs) {
    return { problem: `"${text}" is out of range: more than 0 and at most ${longestMs / DURATION_MS.d!}d` }
  }
  return { value: ms }
}

/** `85%` as a share, 0.85; more than 0 and at most 100 %. */
export function readShare(text: string): Read<number> {
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim())?.[1] ?? Number.NaN)
  if (percent > 0 && percent <= 100) return { value: percent / 100 }
  return { problem: `"${text}" is no share: write a percentage of more than 0 and at most 100, such as 85%` }
}

/** `25MB`, `512kB`, `1000`, as whole bytes. */
export function readSize(text: string): Read<number> {
  const match = /^(\d+(?:\.\d+)?)\s*(|B|kB|KB|MB|GB)$/.exec(text.trim())
  if (!match) return { problem: `"${text}" is no size: write a number and kB, MB or GB, such as 25MB` }
  const bytes = Math.floor(Number(match[1]) * SIZE_BYTES[match[2]!]!)
  if (bytes < 1 || bytes > MOST_UNITS) return { problem: `"${text}" is out of range: at least 1 byte, at most 1024GB` }
  return { value: bytes }
}

/** `5/min`, `120/30m`, `10/s`; the amount may be a size where bytes are counted: `50MB/h`. */
export function readWindow(text: string): Read<{ limit: number; windowMs: number }> {
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB)?\s*\/\s*(\d*(?:\.\d+)?)\s*(ms|s|min|m|h|d)$/.exec(text.trim())
  if (!match) return { problem: `"${text}" is no limit: write an amount per time, such as 5/min, 30/h or 120/30m` }
  const amount = readAmount(match[1]!, match[2])
  if (amount === undefined) return { problem: `"${text}": the amount must be a whole number from 1 to ${MOST_UNITS}` }
  const time = readDuration(`${match[3] === '' ? '1' : match[3]}${match[4]}`)
  if ('problem' in time) return { problem: `"${text}": ${time.problem}` }
  if (time.value < 1000) return { problem: `"${text}": a window must be at least 1s` }
  return { value: { limit: amount, windowMs: time.value } }
}

/** Half a message is no limit; a size in bytes may be written with a fraction, such as 1.5MB. */
function readAmount(number: string, unit: string | undefined): number | undefined {
  if (unit === undefined && number.includes('.')) return undefined
  const size = readSize(`${number}${unit ?? ''}`)
  return 'value' in size ? size.value : undefined
}

/** `10/s` as the time between two units, in milliseconds. */
export function readRate(text: string): Read<number> {
  const window = readWindow(text)
  return 'problem' in window ? window : { value: window.value.windowMs / window.value.limit }
}

/** Whether a limit is written with a size, which makes sense only where bytes are counted. */
export function namesSize(text: string): boolean {
  return /\d\s*(?:B|kB|KB|MB|GB)\b/.test(text)
}

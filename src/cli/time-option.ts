import { InvalidArgumentError, Option } from 'commander'
import { readDuration } from '../config/units'

const HOUR_MS = 3_600_000

/** `--for TIME`: how long something holds, an hour unless said otherwise; in milliseconds. */
export function timeOption(mostMs: number): Option {
  const read = (text: string) => {
    const duration = readDuration(text, mostMs)
    if ('value' in duration) return duration.value
    throw new InvalidArgumentError(duration.problem)
  }
  return new Option('--for <time>', 'how long: 10m, 12h, 7d').argParser(read).default(HOUR_MS, '1h')
}

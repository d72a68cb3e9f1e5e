const DAY_MS = 86_400_000

/**
 * A time as people say it: `1 minute 30 seconds`. Exact to the second, from two days on to the hour; rounded up, so that nobody
 * comes back too early.
 */
export function sayDuration(ms: number): string {
  if (ms >= 2 * DAY_MS) {
    const hours = Math.ceil(ms / 3_600_000)
    return [plural(Math.floor(hours / 24), 'day'), plural(hours % 24, 'hour')].filter((part) => part !== '').join(' ')
  }
  const seconds = Math.ceil(ms / 1000)
  const parts = [
    plural(Math.floor(seconds / 3600), 'hour'),
    plural(Math.floor((seconds % 3600) / 60), 'minute'),
    plural(seconds % 60, 'second'),
  ].filter((part) => part !== '')
  return parts.length === 0 ? 'a moment' : parts.join(' ')
}

function plural(count: number, unit: string): string {
  return count === 0 ? '' : `${count} ${unit}${count === 1 ? '' : 's'}`
}

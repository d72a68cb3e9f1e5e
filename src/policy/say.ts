/** A time as people say it, exact to the second and rounded up, so that nobody comes back too early: `1 minute 30 seconds`. */
export function sayDuration(ms: number): string {
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

/** What stands on a board or in a file may be of another release, or anybody's: nothing of it is believed unread. */

/** Empty for text that is no object. */
export function readObject(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

/** A number of 0 or more. */
export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isMaybeAmount(value: unknown): boolean {
  return value === undefined || isAmount(value)
}

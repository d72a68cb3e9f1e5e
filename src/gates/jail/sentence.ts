/** How long bans last. */
export interface Sentencing {
  readonly firstMs: number
  /** No automatic ban lasts longer, but for the jitter. */
  readonly longestMs: number
}

/** Up to so much longer, so that a botnet does not come back all at once. */
export const JITTER = 0.1

/**
 * The first ban lasts `firstMs`, each further one twice as long as the one before.
 * @param before bans that are remembered of the same client
 * @param random 0 to 1
 */
export function sentenceMs(before: number, { firstMs, longestMs }: Sentencing, random: number): number {
  // Doubling on would leave the range of numbers.
  const doubled = firstMs * 2 ** Math.min(before, 40)
  return Math.round(Math.min(longestMs, doubled) * (1 + JITTER * random))
}

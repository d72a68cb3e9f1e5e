import { hash32 } from '../keys/key'
import type { Feedback } from './feedback'

/** Tells recipients of messages apart, in 53 bits: two of a hundred thousand are hardly ever the same. */
export function recipientKey({ origin, recipient }: Pick<Feedback, 'origin' | 'recipient'>): number {
  const text = `${origin.message} ${recipient}`
  return hash32(text) * 2 ** 21 + (hash32(`${text} `) >>> 11)
}

import { type Reply, isPositive } from './reply-reader'

/**
 * Puts the replies that LMTP gives to each recipient after the dot (RFC 2033 §4.2) in an order that Haraka understands: it
 * takes a refusal for one of the recipient that was accepted first, and counts the others. So refusals come first, and
 * `accepted`, Haraka's own objects in the order of their RCPT, exchange what they hold to be in the order of the replies.
 */
export function refusalsFirst(accepted: readonly object[], replies: readonly Reply[]): readonly Reply[] {
  const places = [...replies.keys()]
  const order = [
    ...places.filter((place) => !isPositive(replies[place]!)),
    ...places.filter((place) => isPositive(replies[place]!)),
  ]
  const held = accepted.map((recipient) => ({ ...recipient }))
  for (const [to, from] of order.entries()) {
    const recipient = accepted[to]
    if (!recipient || to === from) continue
    for (const key of Object.keys(recipient)) Reflect.deleteProperty(recipient, key)
    Object.assign(recipient, held[from])
  }
  return order.map((place) => replies[place]!)
}

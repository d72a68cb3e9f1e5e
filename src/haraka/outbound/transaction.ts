import { type Reply, isPositive } from './reply-reader'
import type { Phase } from './timeouts'

/** The transaction of the present delivery: where it is, and who was accepted. */
export class Transaction {
  /** What RSET would have to clear, and whether anything of the message has left. */
  stage: 'none' | 'open' | 'body' | 'dot' = 'none'
  /** Recipients asked for, and the places of those that were accepted. */
  private asked = 0
  private readonly accepted: number[] = []
  /** LMTP: answers after the dot so far, one for each accepted recipient (RFC 2033 §4.2). */
  private readonly finals: Reply[] = []

  /** A command is sent. */
  sends(phase: Phase): void {
    if (phase === 'mail') this.stage = 'open'
    if (phase === 'dot') this.stage = 'dot'
  }

  /** Nothing of the message was sent. */
  get isUntouched(): boolean {
    return this.stage === 'none' || this.stage === 'open'
  }

  /** RCPT was answered. Haraka loses a recipient that is accepted with another code than 250 (RFC 5321 §3.4: 251). */
  recipient(reply: Reply): Reply {
    const place = this.asked++
    if (!isPositive(reply)) return reply
    this.accepted.push(place)
    return { code: 250, lines: reply.lines.map((line) => line.replace(/^2\d\d/, '250')) }
  }

  /** DATA was answered. */
  data(reply: Reply): void {
    if (reply.code < 400) this.stage = 'body'
  }

  /** The dot was answered. */
  final(reply: Reply): void {
    this.stage = isPositive(reply) ? 'none' : 'open'
  }

  /** LMTP: the dot was answered for one more recipient. True when there is an answer for each. */
  finalOfOne(reply: Reply): boolean {
    this.finals.push(reply)
    if (this.finals.length < this.accepted.length) return false
    this.stage = this.finals.every(isPositive) ? 'none' : 'open'
    return true
  }

  /** Some recipients have an answer after the dot, others none yet. */
  get isHalfAnswered(): boolean {
    return this.stage === 'dot' && this.finals.length > 0
  }

  /** `recipients`: Haraka's own objects, in the order of the message; they may exchange what they hold. */
  finalsInOrder(recipients: readonly object[]): readonly Reply[] {
    return refusalsFirst(
      this.accepted.map((place) => recipients[place]!),
      this.finals,
    )
  }
}

/**
 * Puts the answers of LMTP after the dot in an order that Haraka understands: it takes a refusal for one of the recipient
 * that was accepted first, whoever it is for, and counts the others. So refusals come first, and the recipients exchange
 * what they hold, to be in the order of the answers.
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

import type { Delivery } from './delivery'

/** More would keep the process from its other work. */
const LOOKS_IN_A_TURN = 500

/**
 * The messages that this process knows, by id. One is in hand from when Haraka hands it over until its attempt is over: a
 * second file of the same message must not be delivered meanwhile. One that is to be tried again then is put off, until
 * Haraka hands it over again.
 */
export class KnownMessages {
  /** Undefined for what is being placed or ended. */
  private readonly inHand = new Map<string, Delivery | undefined>()
  private readonly putOff = new Map<string, Delivery>()

  isInHand(id: string): boolean {
    return this.inHand.has(id)
  }

  /** Takes a message in hand, to be placed or ended. */
  take(id: string): void {
    this.inHand.set(id, undefined)
    this.putOff.delete(id)
  }

  /** A message in hand has a path now. */
  place(delivery: Delivery): void {
    this.inHand.set(delivery.id, delivery)
  }

  /**
   * An attempt is over, or was none. What is known of it is kept where the message is tried again. False when it has been
   * over already.
   */
  letGo(id: string, delivery?: Delivery): boolean {
    if (!this.inHand.delete(id)) return false
    if (delivery?.retryAt !== undefined) this.putOff.set(id, delivery)
    return true
  }

  /** A message that is put off. */
  recall(id: string): Delivery | undefined {
    return this.putOff.get(id)
  }

  /** What was to be tried again before that time, and did not come, has ended in some other way. */
  forget(before: number): void {
    for (const [id, { retryAt }] of this.putOff) if (retryAt! < before) this.putOff.delete(id)
  }

  /** All in hand. */
  entries(): IterableIterator<[id: string, delivery: Delivery | undefined]> {
    return this.inHand.entries()
  }

  /** Looks at each message in hand that has a path; at so many in a turn of the process. */
  async eachPlaced(look: (delivery: Delivery) => void): Promise<void> {
    let looked = 0
    for (const id of this.inHand.keys()) {
      if (++looked % LOOKS_IN_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
      const delivery = this.inHand.get(id)
      if (delivery) look(delivery)
    }
  }
}

import { type Label, isSubmitted } from '../egress/label'
import type { SuppressionList } from '../feedback/suppression-list'
import type { SuppressionPolicy } from '../gates/suppress/suppress-gate'
import { type Mode, isEnforced } from '../policy/mode'
import { type Suppression, saySuppression, suppressionKey } from '../policy/suppression'
import type { EventStream, SuppressedEvent } from '../telemetry/events'
import { type QueueItem, type QueuedRecipient, isBounce } from './outbound/queue-item'
import type { Untried } from './outbound/attempt-event'
import { type Answer, textOf } from './guard'
import { type Connection, type EnvelopeAddress, OK } from './types'

export interface SuppressionsOptions {
  readonly policy: () => SuppressionPolicy
  readonly list: SuppressionList
  readonly stream: EventStream
  readonly onFailure: (where: string, message: string) => void
}

/** A recipient whom a message in the queue does not go to any more, and why. */
export interface Held {
  readonly recipient: QueuedRecipient
  readonly untried: Untried
}

/** An event names no more. */
const MOST_NAMED = 10
/** RFC 3463: 5.1.1 there is no such mailbox, as its host has said; 5.7.1 it is there, and mail to it is not wanted. */
const STATUS_GONE = '5.1.1'
const STATUS_UNWANTED = '5.7.1'

/** The suppression list as plugins suppress and egress heed it. When the store does not say, mail goes on. */
export class Suppressions {
  /** Recipients that were accepted, and are to get nothing. They vanish with their transaction. */
  private readonly dropped = new WeakSet<EnvelopeAddress>()

  constructor(private readonly options: SuppressionsOptions) {}

  /** What keeps a message from a recipient. Never rejects; an embedded store answers at once. */
  lookUp(
    recipient: EnvelopeAddress,
    from: EnvelopeAddress | null | undefined,
    tenant: string | undefined,
  ): Suppression | undefined | Promise<Suppression | undefined> {
    const found = this.find([nameOf(recipient)], tenant, !from?.user, 'rcpt_ok')
    return found instanceof Promise ? found.then(([one]) => one) : found[0]
  }

  drop(recipient: EnvelopeAddress): void {
    this.dropped.add(recipient)
  }

  /** Before a message is queued: takes those off that it is not to go to. When nobody is left it is accepted, and gone. */
  takeOff(connection: Pick<Connection, 'transaction'>): Answer {
    const { transaction } = connection
    const dropped = transaction?.rcpt_to.filter((recipient) => this.dropped.has(recipient)) ?? []
    if (!transaction || dropped.length === 0) return undefined
    transaction.rcpt_to = transaction.rcpt_to.filter((recipient) => !this.dropped.has(recipient))
    if (transaction.rcpt_to.length > 0) return undefined
    this.tell('discarded', transaction.uuid, this.options.policy().mode, dropped.map(nameOf))
    return { code: OK, message: 'Message accepted' }
  }

  /**
   * Whom a message is not to be sent to that is about to be. Empty at once where nothing needs to be asked: mail of strangers
   * that is passed on goes to people of ours, whom a host behind us may have forgotten for a minute.
   */
  heldIn(
    item: QueueItem,
    { tenant, account, client }: Pick<Label, 'tenant' | 'account' | 'client'>,
  ): readonly Held[] | Promise<readonly Held[]> {
    const { mode } = this.options.policy()
    if (mode.kind === 'off') return []
    const todo = item.todo!
    if (!isSubmitted({ account, client }) && !isBounce(todo)) return []
    const recipients = todo.rcpt_to
    const addresses = recipients.map(({ address }) => address)
    const found = this.find(addresses, tenant, isBounce(todo), 'send_email')
    const weigh = (entries: readonly (Suppression | undefined)[]) => this.enforced(item, entries, mode)
    return found instanceof Promise ? found.then(weigh) : weigh(found)
  }

  private enforced(item: QueueItem, entries: readonly (Suppression | undefined)[], mode: Mode): readonly Held[] {
    const { rcpt_to: recipients, uuid } = item.todo!
    const held: Held[] = []
    const spared: string[] = []
    entries.forEach((entry, index) => {
      if (!entry) return
      const recipient = recipients[index]!
      if (isEnforced(mode, suppressionKey(entry.address, entry.tenant))) {
        held.push({ recipient, untried: untriedOf(entry) })
      } else spared.push(recipient.address)
    })
    if (spared.length > 0) this.tell('spared', uuid, mode, spared)
    return held
  }

  private find(
    addresses: readonly string[],
    tenant: string | undefined,
    isBounce: boolean,
    where: string,
  ): (Suppression | undefined)[] | Promise<(Suppression | undefined)[]> {
    const failed = (error: unknown) => {
      this.options.onFailure(where, textOf(error))
      return addresses.map(() => undefined)
    }
    try {
      const found = this.options.list.find(addresses, { tenant, isBounce })
      return found instanceof Promise ? found.catch(failed) : found
    } catch (error) {
      return failed(error)
    }
  }

  private tell(what: SuppressedEvent['what'], id: string, mode: Mode, recipients: readonly string[]): void {
    const named = recipients.slice(0, MOST_NAMED)
    this.options.stream.emit({
      kind: 'suppressed',
      at: Date.now(),
      what,
      id,
      mode,
      recipients: named,
      count: recipients.length,
    })
  }
}

function nameOf({ user, host, original_host: original }: EnvelopeAddress): string {
  return `${user ?? ''}@${host ?? original ?? ''}`
}

function untriedOf(entry: Suppression): Untried {
  const status = entry.reason === 'hard_bounce' ? STATUS_GONE : STATUS_UNWANTED
  return { isFinal: true, status, why: `${saySuppression(entry)}.` }
}

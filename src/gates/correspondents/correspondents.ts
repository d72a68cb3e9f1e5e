import { keyText } from '../../keys/key'
import type { Rule } from '../../policy/decision'
import type { GateAsk } from '../../policy/gate'
import type { MeritAsk } from '../../store/store'
import type { Subject } from '../../policy/subject'

/** A correspondent is remembered after one message; more say no more, and write no more often than this. */
const APART_MS = 3_600_000

const RULE: Rule = {
  name: 'correspondent',
  plugin: 'mailbomb',
  mode: { kind: 'shadow' },
  remedy: 'defer',
  onError: 'accept',
  text: '',
}

function pair(name: string, mailbox: string, other: string, memoryMs: number, learns: boolean): MeritAsk {
  return {
    op: 'merit',
    key: keyText(name, [mailbox, other]),
    enforced: false,
    leastSamples: 1,
    leastMean: 0,
    halfLifeMs: 0,
    most: 1,
    apartMs: APART_MS,
    keepMs: memoryMs,
    ...(learns ? { sample: 1 } : {}),
  }
}

/** Whether somebody from the recipient's mailbox has written to the sender. Undefined for bounces, which nobody writes to. */
export function wroteAsk({ sender, recipient }: Subject, memoryMs: number): GateAsk | undefined {
  if (!sender || !recipient || sender.domain === '') return undefined
  const ask = pair('wrote', recipient.address, sender.address, memoryMs, false)
  return { rule: RULE, ask, because: 'the recipient has written to this sender' }
}

/** Remembers that one of our users writes to somebody. Undefined when it is not that. */
export function writesAsk({ sender, recipient, direction }: Subject, memoryMs: number): GateAsk | undefined {
  if (direction !== 'submission' || !sender || !recipient || sender.domain === '') return undefined
  return { rule: RULE, ask: pair('wrote', sender.address, recipient.address, memoryMs, true) }
}

/** Whether the mailbox has taken mail of the sender before. */
export function knownSenderAsk({ sender, recipient }: Subject, memoryMs: number): GateAsk | undefined {
  if (!sender || !recipient || sender.domain === '') return undefined
  const ask = pair('known_sender', recipient.address, sender.address, memoryMs, false)
  return { rule: RULE, ask, because: 'a correspondent of this recipient' }
}

/**
 * Remembers that the mailbox has taken a message of the sender. Undefined for bounces. Only for messages that were taken:
 * for the price of a RCPT strangers would fill the store with senders they invent.
 */
export function tookAsk(
  { sender, recipient }: Pick<Subject, 'sender' | 'recipient'>,
  memoryMs: number,
): MeritAsk | undefined {
  if (!sender || !recipient || sender.domain === '') return undefined
  return pair('known_sender', recipient.address, sender.address, memoryMs, true)
}

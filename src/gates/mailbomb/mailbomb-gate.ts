import { hash32, keyText } from '../../keys/key'
import type { Rule } from '../../policy/decision'
import { type Gate, type GateAsk, meritIndex } from '../../policy/gate'
import { type Mode, isEnforced } from '../../policy/mode'
import type { Subject } from '../../policy/subject'
import { knownSenderAsk, wroteAsk, writesAsk } from '../correspondents/correspondents'
import { NEIGHBOURHOOD_TIER, tierText } from '../limits/rule'

/** A mailbox that many strangers write to at once is being bombed: strangers are slowed, correspondents are not. */
export interface MailbombPolicy {
  readonly mode: Mode
  readonly strangers: number
  readonly windowMs: number
  /** How long it is known who has written to a mailbox. */
  readonly memoryMs: number
  /** How long it is known whom one of our users has written to. */
  readonly correspondentsMs: number
}

export const MAILBOMB_PLUGIN = 'mailbomb'
/** Different senders of one network that count for a mailbox. */
const SENDERS_OF_NETWORK = 3

/**
 * Counts the different new senders of a mailbox in a sketch of fixed size, whatever an attacker invents. Reputation excuses
 * nobody here: such bombs are made of confirmations that honest newsletters send.
 */
export function mailbombGate(policy: MailbombPolicy): Gate {
  const { mode, strangers, windowMs, memoryMs, correspondentsMs } = policy
  if (mode.kind === 'off') return { plugin: MAILBOMB_PLUGIN, stages: [], ask: () => undefined }
  const rule: Rule = {
    name: 'mailbomb',
    plugin: MAILBOMB_PLUGIN,
    mode,
    remedy: 'defer',
    onError: 'accept',
    text: 'Too many new senders write to this recipient just now',
  }
  return {
    plugin: MAILBOMB_PLUGIN,
    stages: ['rcpt_ok'],
    ask: (subject, asks) => {
      const { client, direction, recipient } = subject
      if (!recipient || subject.repeated) return
      const writes = writesAsk(subject, correspondentsMs)
      if (writes) meritIndex(asks, writes)
      if (client.trusted || direction === 'submission') return
      const key = keyText('mailbomb', [recipient.address])
      const unless = indicesOf(asks, [knownSenderAsk(subject, memoryMs), wroteAsk(subject, correspondentsMs)])
      asks.push({
        rule,
        ask: {
          op: 'distinct',
          key,
          enforced: isEnforced(mode, recipient.address),
          value: hash32(originOf(subject)),
          limit: strangers,
          windowMs,
          ...(unless.length > 0 ? { unless } : {}),
        },
      })
    },
  }
}

function indicesOf(asks: GateAsk[], merits: readonly (GateAsk | undefined)[]): number[] {
  return merits.flatMap((merit) => (merit ? [meritIndex(asks, merit)] : []))
}

/**
 * A sender address, without tags, as one of a few of its network: anybody can write any sender, and one client must not
 * make a bomb of its own that shuts the mailbox for honest strangers. Bounces have no sender: one more of that network.
 */
function originOf({ sender, client }: Subject): string {
  const network = tierText(client.address, NEIGHBOURHOOD_TIER)
  return sender && sender.domain !== '' ? `${network} ${hash32(sender.address) % SENDERS_OF_NETWORK}` : network
}

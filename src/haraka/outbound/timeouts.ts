import type { AttemptPhase } from '../../policy/attempt-phase'
import type { EgressProfile } from '../../egress/profile'

/** What has its time: the phases of an attempt, and RSET between two. `block` is each piece of the message. */
export type Phase = AttemptPhase | 'rset'

/** How long a server may take to answer, or to take a piece of a message, in ms. Who gives up at `dot` delivers twice. */
export type Timeouts = Readonly<Record<Phase, number>>

const BLOCK_MS = 180_000
const RSET_MS = 30_000

/** What a profile does not say: a login takes as long as MAIL; blocks are of RFC 5321 §4.5.3.2.5; RSET is ours. */
export function timeoutsOf({ timeouts }: Pick<EgressProfile, 'timeouts'>): Timeouts {
  return {
    connect: timeouts.connectMs,
    greeting: timeouts.greetingMs,
    hello: timeouts.ehloMs,
    // From STARTTLS to its answer, and again to the end of the handshake.
    starttls: timeouts.starttlsMs,
    auth: timeouts.mailMs,
    mail: timeouts.mailMs,
    rcpt: timeouts.rcptMs,
    data: timeouts.dataMs,
    block: BLOCK_MS,
    dot: timeouts.dotMs,
    rset: RSET_MS,
  }
}

const PHASES: Readonly<Record<string, Phase>> = {
  EHLO: 'hello',
  LHLO: 'hello',
  HELO: 'hello',
  STARTTLS: 'starttls',
  AUTH: 'auth',
  MAIL: 'mail',
  RCPT: 'rcpt',
  DATA: 'data',
  RSET: 'rset',
  '.': 'dot',
}

/** What a command that Haraka sends begins; whatever it says while it logs in belongs to the login. */
export function phaseOf(command: string, isLoggingIn: boolean): Phase {
  return (!isLoggingIn && PHASES[verbOf(command)]) || 'auth'
}

export function verbOf(command: string): string {
  return /^\S*/.exec(command)![0].toUpperCase()
}

import type { Decision } from '../policy/decision'
import { sayDuration } from '../policy/say'
import type { Stage } from '../policy/subject'
import type { Reply } from './guard'
import { DENY, DENYDISCONNECT, DENYSOFT, DENYSOFTDISCONNECT, type DsnReply } from './types'

/** Haraka recognises a reply that brings its own SMTP code by this very class name. */
class DSN implements DsnReply {
  constructor(
    readonly code: number,
    readonly reply: string,
  ) {}

  /** What Haraka's own log shows. */
  toString(): string {
    return `${this.code} ${this.reply}`
  }
}

export function smtpReply(code: number, text: string): DsnReply {
  return new DSN(code, text)
}

/**
 * The SMTP reply for a decision: `450 4.7.1 Too many messages from this sender, try again in 5 minutes (sluice sender
 * 7KQ2MXA)`. Enhanced codes: 4.7.1/5.7.1 for policy (RFC 3463 §3.8), 4.5.3 for too many recipients (RFC 5321 §4.5.3.1.10),
 * 4.3.2 when we cannot tell or are too busy, 4.7.0 when the session ends.
 */
export function replyFor(decision: Decision): Reply {
  const { rule, action, stage } = decision
  const ends = rule.ends === true || stage === 'connect'
  if (action === 'reject') {
    const code = stage === 'connect' ? 554 : 550
    return {
      code: ends ? DENYDISCONNECT : DENY,
      message: smtpReply(code, `${rule.status ?? '5.7.1'} ${rule.text} (sluice ${rule.name} ${decision.ref})`),
    }
  }
  const code = ends ? 421 : rule.name === 'session_recipients' ? 452 : decision.reason === 'greylist' ? 451 : 450
  return {
    code: ends ? DENYSOFTDISCONNECT : DENYSOFT,
    message: smtpReply(code, `${enhancedCode(decision, stage, ends)} ${textFor(decision)}`),
  }
}

function enhancedCode(decision: Decision, stage: Stage, ends: boolean): string {
  if (decision.reason === 'store_unreachable' || decision.reason === 'overload') return '4.3.2'
  if (decision.rule.name === 'session_recipients') return '4.5.3'
  return ends || stage === 'connect' ? '4.7.0' : '4.7.1'
}

function textFor({ rule, ref, reason, retryAfterMs }: Decision): string {
  const tail = `(sluice ${rule.name} ${ref})`
  if (reason === 'store_unreachable') return `Cannot check limits just now, try again later ${tail}`
  if (retryAfterMs === Infinity) return `${rule.text}: larger than the limit allows at any time ${tail}`
  return retryAfterMs > 0 ? `${rule.text}, try again in ${sayDuration(retryAfterMs)} ${tail}` : `${rule.text} ${tail}`
}

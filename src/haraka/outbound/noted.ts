import type { Attempt } from '../../egress/attempt'
import type { AttemptPhase } from '../../policy/attempt-phase'
import { parseReply } from '../../egress/smtp-reply'
import type { Reply } from './reply-reader'

/**
 * Notes an answer with the attempt, and returns it as Haraka is to see it: 550 sends a message back, so one that will be over
 * is shown as 450. `lmtp`: it is of one recipient of several.
 */
export function noted(attempt: Attempt | undefined, phase: AttemptPhase, reply: Reply, lmtp = false): Reply {
  const kept = attempt?.replied(phase, parseReply(reply.lines), lmtp)
  return kept?.isPassing ? { code: reply.code - 100, lines: reply.lines.map(soften) } : reply
}

function soften(line: string): string {
  return line.replace(/^5(\d\d[ -]#?)(?:5(?=\.\d))?/, (all: string, rest: string) =>
    all.endsWith('5') ? `4${rest}4` : `4${rest}`,
  )
}

import type { Finding, Rule } from '../policy/decision'
import type { Gate } from '../policy/gate'
import { type Mode, isEnforced } from '../policy/mode'
import type { Subject } from '../policy/subject'

/** Bounds on what one session may do; they need no store, since a session lives in one process. */
export interface SessionBounds {
  readonly recipients: number
  readonly errors: number
  readonly junk: number
  readonly lengthMs: number
  readonly mode: Mode
}

export const SESSION_PLUGIN = 'connections'

/** Session bounds as a gate: recipients are deferred so that the rest of the message goes through; the others end the session. */
export function sessionGate(bounds: SessionBounds): Gate {
  if (bounds.mode.kind === 'off') return { plugin: SESSION_PLUGIN, stages: [], ask: () => undefined }
  const rule = (name: string, text: string, ends: boolean): Rule => ({
    name,
    plugin: SESSION_PLUGIN,
    mode: bounds.mode,
    remedy: 'defer',
    onError: 'accept',
    text,
    ends,
  })
  const recipients = rule('session_recipients', 'Too many recipients in this session, send the rest in another', false)
  const errors = rule('session_errors', 'Too many errors in this session', true)
  const junk = rule('session_junk', 'Too many commands that move no mail in this session', true)
  const length = rule('session_length', 'This session has lasted too long, open another', true)

  return {
    plugin: SESSION_PLUGIN,
    stages: ['command', 'mail', 'rcpt'],
    ask: () => undefined,
    inspect: (subject, findings) => {
      const { session, stage, at } = subject
      // Judged when a reply or a command has added to them.
      if (stage === 'command') {
        over(findings, errors, subject, session.errors, bounds.errors)
        over(findings, junk, subject, session.junk, bounds.junk)
      }
      if (stage === 'rcpt') over(findings, recipients, subject, session.recipients, bounds.recipients)
      // Only where a new message begins: cutting one short would lose the client's work.
      if (stage === 'mail') over(findings, length, subject, at - session.startedAt, bounds.lengthMs)
    },
  }
}

function over(findings: Finding[], rule: Rule, { client, session }: Subject, count: number, limit: number): void {
  if (count <= limit || client.trusted) return
  const key = `${rule.name}|${session.leaseId}`
  const enforced = isEnforced(rule.mode, client.ip)
  findings.push({ rule, key, enforced, count, limit, windowMs: 0, retryAfterMs: 0, reason: 'limit' })
}

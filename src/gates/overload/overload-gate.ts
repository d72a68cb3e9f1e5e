import { hash32, keyText } from '../../keys/key'
import type { Finding, Rule } from '../../policy/decision'
import type { Gate } from '../../policy/gate'
import { type Mode, isEnforced } from '../../policy/mode'
import type { Subject } from '../../policy/subject'

/** What happens to new clients while the server is overloaded. */
export interface Overload {
  readonly mode: Mode
  /** Longest wait of strangers, before any is deferred. */
  readonly holdMs: number
  /** A deferred client is told to come back within this, and then draws its lot anew. */
  readonly againMs: number
}

export const OVERLOAD_PLUGIN = 'overload'
export const OVERLOAD_RULE = 'overload'
const LOTS = 10_000
/** By then it is known whether a peak is more than that. Who has been held for so long is let in, unless he is deferred. */
const LEAST_HOLD_MS = 500

/**
 * Sheds new clients in steps as the load level rises: strangers wait, then a growing share of them is deferred, then all
 * of them and a growing share of the known ones; see `src/load/level.ts`. Trusted networks are never turned away.
 *
 * Strangers who were let in before the level rose are a queue by themselves: they are asked again before each step that
 * costs more, at MAIL and at DATA. A message on its way in is taken, and a known client's session is let be.
 */
export function overloadGate(overload: Overload): Gate {
  const { mode, holdMs } = overload
  if (mode.kind === 'off') return { plugin: OVERLOAD_PLUGIN, stages: [], ask: () => undefined }
  const rule = (remedy: Rule['remedy']): Rule => ({
    name: OVERLOAD_RULE,
    plugin: OVERLOAD_PLUGIN,
    mode,
    remedy,
    onError: 'accept',
    text: 'Busy',
    ends: true,
  })
  const [delay, defer] = [rule('delay'), rule('defer')]
  const leastHoldMs = Math.min(LEAST_HOLD_MS, holdMs)
  return {
    plugin: OVERLOAD_PLUGIN,
    stages: ['connect', 'mail', 'data'],
    ask: ({ load, client, stage }, _asks, exemptions) => {
      if (load < 1 || stage !== 'connect' || !client.trusted) return
      exemptions.push({ rule: OVERLOAD_RULE, because: 'trusted network' })
    },
    inspect: (subject, findings) => {
      const { stage, load, client, familiar, session, at } = subject
      if (load < 1 || client.trusted) return
      // What shadow lets pass it has told at connect.
      if (stage !== 'connect' && (familiar || load < 2 || !isEnforced(mode, client.ip))) return
      if (load < 2) {
        const waitMs = Math.max(leastHoldMs, Math.ceil((load - 1) * holdMs))
        if (!familiar && at - session.startedAt < leastHoldMs) findings.push(found(subject, delay, waitMs))
        return
      }
      const share = load - (familiar ? 3 : 2)
      const slice = sliceOf(subject, overload.againMs)
      if (share > 0 && slice.lot < share * LOTS) findings.push(found(subject, defer, slice.leftMs))
    },
  }
}

/** `count` is the load level, `limit` the one up to which such a client is let in. */
function found({ client, familiar, load }: Subject, rule: Rule, retryAfterMs: number): Finding {
  const limit = rule.remedy === 'delay' ? 1 : familiar ? 3 : 2
  return {
    rule,
    key: keyText(OVERLOAD_RULE, [familiar ? 'known' : 'stranger', client.ip]),
    enforced: isEnforced(rule.mode, client.ip),
    count: load,
    limit,
    windowMs: 0,
    retryAfterMs,
    reason: 'overload',
  }
}

/**
 * The lot of a client: the same while its slice of time lasts, so that trying again at once gains nothing, and another
 * in the next. Slices of different clients end at different times, or all would come back together.
 */
function sliceOf({ client, at }: Subject, sliceMs: number): { lot: number; leftMs: number } {
  const since = at + (hash32(client.ip) % sliceMs)
  const leftMs = sliceMs - (since % sliceMs)
  return { lot: hash32(`${Math.floor(since / sliceMs)}|${client.ip}`) % LOTS, leftMs }
}

import type { BoardEntry } from '../../store/store'
import { type Ban, cleanReason, readOrigin, readTarget } from '../../policy/ban'

/** Where bans stand on the store's board. */
export const BAN_PREFIX = 'ban|'

export function banKey(target: { readonly text: string }): string {
  // A board key is printable ASCII, which a target is.
  return BAN_PREFIX + target.text
}

export function entryOf({ target, origin, reason, since, until }: Ban): BoardEntry {
  return { key: banKey(target), text: JSON.stringify({ origin, reason, since }), expiresAt: until }
}

/** Undefined for an entry that is no ban, or that a newer release has written in another way. */
export function banOf({ key, text, expiresAt }: BoardEntry): Ban | undefined {
  if (!key.startsWith(BAN_PREFIX)) return undefined
  const read = readTarget(key.slice(BAN_PREFIX.length))
  if (!('target' in read)) return undefined
  const { origin, reason, since } = fieldsOf(text)
  if (typeof origin !== 'string' || readOrigin(origin) === undefined) return undefined
  if (typeof reason !== 'string' || typeof since !== 'number') return undefined
  return { target: read.target, origin, reason: cleanReason(reason), since, until: expiresAt }
}

function fieldsOf(text: string): { origin?: unknown; reason?: unknown; since?: unknown } {
  try {
    const fields = JSON.parse(text) as unknown
    return typeof fields === 'object' && fields !== null ? fields : {}
  } catch {
    return {}
  }
}

import { createHash } from 'node:crypto'

/** A value longer than this is replaced by a digest; no legal address part, domain or host name is cut. */
const MAX_VALUE_LENGTH = 72
const SAFE = /^[a-z0-9.@_+:/<>=~-]*$/

/**
 * Makes the text of a store key: `rule|value|value`. Printable ASCII without `|` inside a value, so two different
 * tuples never share a key whatever an attacker puts into an address, and of bounded length.
 */
export function keyText(rule: string, values: readonly string[]): string {
  let text = rule
  for (const value of values) text += '|' + keyValue(value)
  return text
}

/** One value of a key, escaped; `%` never occurs unescaped, so escaping is injective. */
export function keyValue(value: string): string {
  if (value.length <= MAX_VALUE_LENGTH && SAFE.test(value)) return value
  const escaped =
    value.length <= MAX_VALUE_LENGTH ? encodeURIComponent(wellFormed(value)).replace(/[!'()*]/g, percent) : ''
  if (escaped !== '' && escaped.length <= MAX_VALUE_LENGTH) return escaped
  // '#' occurs in no other value: it is escaped above.
  return '#' + createHash('sha256').update(value).digest('base64url').slice(0, 22)
}

function percent(character: string): string {
  return '%' + character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
}

/** encodeURIComponent throws on lone surrogates. */
function wellFormed(value: string): string {
  return value.replace(/[\uD800-\uDFFF]/gu, '\uFFFD')
}

/** FNV-1a, 32 bits: spreads keys over canary shares; stable for ever. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash ^= text.charCodeAt(index)
    hash = Math.imul(hash, 0x01000193)
  }
  return hash >>> 0
}

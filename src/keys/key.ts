import { createHash } from 'node:crypto'

/** A value longer than this is replaced by a digest. */
const MAX_VALUE_LENGTH = 72
/** So is the whole tuple when it is longer than this: stores refuse keys of more than 300 characters. */
const MAX_TEXT_LENGTH = 300
const SAFE = /^[a-z0-9.@_+:/<>=~-]*$/

/**
 * Makes the text of a store key: `rule|value|value`. Printable ASCII without `|` inside a value, so two different
 * tuples never share a key whatever an attacker puts into an address, and of bounded length.
 */
export function keyText(rule: string, values: readonly string[]): string {
  let text = rule
  for (const value of values) text += '|' + keyValue(value)
  return text.length <= MAX_TEXT_LENGTH ? text : rule + '|' + digest(text)
}

/** One value of a key, escaped; `%` never occurs unescaped, so escaping is injective. */
export function keyValue(value: string): string {
  if (value.length > MAX_VALUE_LENGTH) return digest(value)
  if (SAFE.test(value)) return value
  // encodeURIComponent throws on lone surrogates, and replacing them would give two values one key.
  if (LONE_SURROGATE.test(value)) return digest(value)
  const escaped = encodeURIComponent(value).replace(/[!'()*]/g, percent)
  return escaped.length <= MAX_VALUE_LENGTH ? escaped : digest(value)
}

/** With the flag u, a pair of surrogates is one character and does not match. */
const LONE_SURROGATE = /[\uD800-\uDFFF]/u

/** '#' occurs in no other value: it is escaped there. UTF-16 tells lone surrogates apart, UTF-8 cannot. */
function digest(value: string): string {
  const bytes = Buffer.from(value, 'utf16le')
  return '#' + createHash('sha256').update(bytes).digest('base64url').slice(0, 22)
}

function percent(character: string): string {
  return '%' + character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
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

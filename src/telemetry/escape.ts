/**
 * Text from strangers, made fit for one line of a log or a terminal: ASCII only, so that no line break, escape
 * sequence or bidirectional override of any alphabet gets through. All is linear in the length that is kept.
 */

/** No text from a stranger is longer than this in a log line, in UTF-16 units before it is escaped. */
export const MOST_TEXT = 128

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const NOT_PLAIN = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g
const TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const NOT_PRINTABLE = /[^\x20-\x7e]/g

/**
 * `"text"` with JSON's escapes: `JSON.parse` gives the text back. Text longer than `most` is cut and ends in `…`, which
 * cannot come from the text itself, since what is not ASCII is escaped.
 */
export function quoted(text: string, most = MOST_TEXT): string {
  const kept = text.length > most ? text.slice(0, most) : text
  const escaped = PLAIN.test(kept) ? kept : kept.replace(NOT_PLAIN, escapeUnit)
  return text.length > most ? `"${escaped}…"` : `"${escaped}"`
}

/** A value without any white space: the text itself where that is clear, else {@link quoted}; `-` for none. */
export function token(text: string | undefined, most = MOST_TEXT): string {
  if (text === undefined || text === '') return '-'
  if (text.length <= most && TOKEN.test(text)) return text
  return quoted(text, most).replaceAll(' ', '\\u0020')
}

/** A sentence on one line: quotes stay, what is not printable ASCII is escaped, the end is cut beyond `most`. */
export function oneLine(text: string, most = 1000): string {
  const kept = text.length > most ? text.slice(0, most) : text
  const escaped = kept.replace(NOT_PRINTABLE, escapeUnit)
  return text.length > most ? `${escaped}…` : escaped
}

function escapeUnit(unit: string): string {
  if (unit === '"' || unit === '\\') return `\\${unit}`
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

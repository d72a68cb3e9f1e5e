/** Header fields, and the like of reports, which have the same syntax (RFC 3464 §2.1, RFC 5965 §3). */

/** A field is cut after so many characters; of what we look for none is so long but for the trace, which has 6,000 at most. */
const MOST_VALUE = 8000
const MOST_FIELDS = 100_000

export interface Field {
  /** In lower case. */
  readonly name: string
  /** Unfolded, without white space at its ends. */
  readonly value: string
}

/** Blocks of fields, a blank line between. What is no field is passed over. Linear in the length of the text. */
export function readBlocks(text: string, most: number): Field[][] {
  const blocks: Field[][] = []
  let block: { name: string; parts: string[]; length: number }[] = []
  let count = 0
  const close = () => {
    if (block.length > 0) blocks.push(block.map(({ name, parts }) => ({ name, value: parts.join(' ').trim() })))
    block = []
  }
  for (const line of linesOf(text)) {
    if (line.trim() === '') {
      close()
      if (blocks.length >= most) return blocks
      continue
    }
    const last = block.at(-1)
    if (/^[ \t]/.test(line) && last) {
      if (last.length < MOST_VALUE) last.parts.push(line.trim().slice(0, MOST_VALUE))
      last.length += line.length
      continue
    }
    const colon = line.indexOf(':')
    const name = colon > 0 ? line.slice(0, colon).trim() : ''
    if (!/^[\x21-\x39\x3b-\x7e]{1,76}$/.test(name)) continue
    if (++count > MOST_FIELDS) break
    const value = line.slice(colon + 1, colon + 1 + MOST_VALUE).trim()
    block.push({ name: name.toLowerCase(), parts: [value], length: value.length })
  }
  close()
  return blocks
}

/** The first block: the header of a message. */
export function readHeader(text: string): Field[] {
  return readBlocks(text, 1)[0] ?? []
}

export function fieldOf(fields: readonly Field[], name: string): string | undefined {
  return fields.find((field) => field.name === name)?.value
}

/** At most `most`, in order. */
export function fieldsOf(fields: readonly Field[], name: string, most: number): string[] {
  const found: string[] = []
  for (const field of fields) if (field.name === name && found.push(field.value) >= most) break
  return found
}

function* linesOf(text: string): Generator<string> {
  let start = 0
  while (start < text.length) {
    let end = text.indexOf('\n', start)
    if (end < 0) end = text.length
    yield text.slice(start, end > start && text.charCodeAt(end - 1) === 13 ? end - 1 : end)
    start = end + 1
  }
}

/** No address is longer, RFC 5321 §4.5.3.1. */
const MOST_ADDRESS = 320

/**
 * An address as fields of reports have it: `rfc822; <ann@example.com>`, `utf-8; \x{E4}nn@example.com` (RFC 6533 §3),
 * `ann@example.com`. Undefined for what is none.
 */
export function addressIn(value: string): string | undefined {
  const match = /^\s*(?:([A-Za-z0-9-]+)\s*;)?\s*(.*)$/s.exec(value.slice(0, 2 * MOST_ADDRESS))
  const [, type = 'rfc822', text = ''] = match ?? []
  let address = text.trim().replace(/^<([^<>]*)>.*$/s, '$1')
  if (type.toLowerCase() === 'utf-8') address = address.replace(/\\x\{([0-9A-F]{1,6})\}/gi, characterOf)
  // The xtext of an ORCPT that nobody has decoded (RFC 3461 §4).
  if (!address.includes('@')) address = address.replace(/\+([0-9A-F]{2})/g, characterOf)
  return isAddress(address) ? address : undefined
}

export function isAddress(text: string): boolean {
  return text.length <= MOST_ADDRESS && /^[^\s@<>,;\p{C}]+@[^\s@<>,;\p{C}]+$/u.test(text)
}

function characterOf(_whole: string, hex: string): string {
  const code = parseInt(hex, 16)
  return code <= 0x10ffff ? String.fromCodePoint(code) : ''
}

/** How text from elsewhere is written into mail, so that it can neither break a line nor pass for something else. */

/** No line of a message is longer, RFC 5322 §2.1.1. */
export const MOST_LINE = 998
/** RFC 2045 §6.7. */
const MOST_QUOTED_LINE = 76
const WISHED_LINE = 72

/** One line of printable ASCII: blanks, line ends and controls come to one blank, all else that is not ASCII to `?`. */
export function asciiLine(text: string, most: number): string {
  // A multiple of what is kept is enough to look at, whoever wrote it.
  const start = text.slice(0, 4 * most)
  return start
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .replace(/[^\x20-\x7e]/gu, '?')
    .trim()
    .slice(0, most)
    .trimEnd()
}

/** A reply of SMTP in one line of ASCII: `550-5.1.1 No\r\n550 5.1.1 such user` is `550 5.1.1 No such user`. */
export function replyLine(reply: string, most: number): string {
  const [first = '', ...further] = reply
    .slice(0, 4 * most)
    .trim()
    .split(/[\r\n]+/)
  const rest = further.map((line) => line.replace(/^[245]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3}(?!\S))?/, ''))
  return asciiLine([first.replace(/^([245]\d\d)-/, '$1 '), ...rest].join(' '), most)
}

/** One line that people read: letters of any script, nothing that hides or turns round what stands beside it. */
export function plainLine(text: string, most: number): string {
  return text.slice(0, most).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
}

/** The name of a host, or what is left of it; empty when nothing is. */
export function hostText(host: string): string {
  return host.replace(/[^A-Za-z0-9._:-]/g, '').slice(0, 255)
}

/** RFC 5322 §3.3: `Sun, 22 Nov 2026 09:17:05 +0000`. */
export function mailDate(at: number): string {
  return new Date(at).toUTCString().replace('GMT', '+0000')
}

/**
 * Breaks a line of ASCII at blanks, `indent` before each further line. A word that is longer than a line stays whole, so
 * the text must be shorter than {@link MOST_LINE}.
 */
export function foldLine(text: string, indent: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    const isFull = line !== '' && longer.length + indent.length > WISHED_LINE
    if (isFull) lines.push(line)
    line = isFull ? word : longer
  }
  return [...lines, line].join(`\r\n${indent}`)
}

/** Text that goes as it is: ASCII, no line too long, no controls. Lines may end with LF or CRLF. */
export function isPlain(text: string): boolean {
  return /^[\t\n\r\x20-\x7e]*$/.test(text) && text.split(/\r?\n/).every((line) => fits(line))
}

function fits(line: string): boolean {
  return line.length <= MOST_LINE && !line.includes('\r')
}

/** RFC 2045 §6.7; line ends become CRLF. */
export function quotedPrintable(bytes: Buffer): string {
  const lines = bytes.toString('latin1').split(/\r?\n/)
  return lines.map(quoteLine).join('\r\n')
}

function quoteLine(line: string): string {
  const quoted = line.replace(/[^\t\x20-\x3c\x3e-\x7e]|[\t ]$/g, (character) => {
    return `=${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  })
  const lines = ['']
  for (const [character] of quoted.matchAll(/=[0-9A-F]{2}|./g)) {
    if (lines.at(-1)!.length + character.length >= MOST_QUOTED_LINE) lines.push('')
    lines[lines.length - 1] += character
  }
  return lines.join('=\r\n')
}

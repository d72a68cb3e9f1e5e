/** What is kept of a reply's text; servers have been seen to say a megabyte. */
const LONGEST_TEXT = 1000

/** What a server answered to a command. */
export interface SmtpReply {
  /** Three digits, or 0 when it was no SMTP reply. */
  readonly code: number
  /** As the server printed it: `4.7.28`. */
  readonly enhanced: string | undefined
  /** Without codes, in one line, 1,000 characters at most. */
  readonly text: string
  /** What a 5xx says will be over: it is tried again as if it were a 4xx. */
  readonly isPassing?: true
}

/**
 * Reads a reply of one line or several (RFC 5321 §4.2.1). The enhanced code (RFC 3463) counts only on the first line and
 * when its class is that of the reply; its parts may have three digits. Some servers write a `#` before it.
 */
export function parseReply(lines: readonly string[]): SmtpReply {
  const [first = ''] = lines
  const match = /^([2-5]\d\d)(?:[ -]|$)(?:#?(([245])\.\d{1,3}\.\d{1,3})(?!\d|\.\d))?/.exec(first)
  const enhanced = match?.[3] === match?.[1]?.[0] ? match?.[2] : undefined
  const texts = lines.map((line) => textOf(line, enhanced)).filter((text) => text !== '')
  return { code: Number(match?.[1] ?? 0), enhanced, text: texts.join(' ').slice(0, LONGEST_TEXT) }
}

/** `421 4.7.28 Slow down`. */
export function tellReply({ code, enhanced, text }: SmtpReply): string {
  return [code, enhanced, text].filter((part) => part !== undefined && part !== '').join(' ')
}

/** Many servers print the enhanced code on each line. */
function textOf(line: string, enhanced: string | undefined): string {
  const text = line.replace(/^[2-5]\d\d(?:[ -]|$)/, '').replace(/^#(?=\d)/, '')
  const rest = enhanced !== undefined && text.startsWith(enhanced) ? text.slice(enhanced.length) : text
  // eslint-disable-next-line no-control-regex
  return rest.replace(/[\s\x00-\x1f\x7f]+/g, ' ').trim()
}

import { StringDecoder } from 'node:string_decoder'

/** A whole reply is far shorter (RFC 5321 §4.5.3.1.5: 512 octets a line); a server that says more is ill or hostile. */
const LONGEST_REPLY = 65_536
const LONGEST_LINE = 512

export interface Reply {
  /** Three digits, or 0 when the line is no SMTP reply. */
  readonly code: number
  /** The lines as they came, without their ends. */
  readonly lines: readonly string[]
}

export function isPositive({ code }: Reply): boolean {
  return code >= 200 && code < 300
}

/** Makes SMTP replies of bytes (RFC 5321 §4.2.1). Each is given out as soon as its last line is there. */
export class ReplyReader {
  private readonly decoder = new StringDecoder('utf8')
  private rest = ''
  private lines: string[] = []
  private length = 0
  private isCut = false

  constructor(private readonly onReply: (reply: Reply) => void) {}

  /** Nothing is waiting for more. */
  get isEmpty(): boolean {
    return this.rest === '' && this.lines.length === 0
  }

  /** What there is of a reply without end, as if it ended here; undefined when it is none. From now on nothing is read. */
  cutOff(): Reply | undefined {
    this.isCut = true
    const [first = this.rest] = this.lines
    const match = /^([2-5]\d\d)[ -](.*)/.exec(first.slice(0, LONGEST_LINE))
    return match ? { code: Number(match[1]), lines: [`${match[1]} ${match[2]}`] } : undefined
  }

  /** False when the reply is longer than any server has reason for: nothing more is to be read then. */
  push(bytes: Buffer): boolean {
    if (this.isCut) return true
    this.rest += this.decoder.write(bytes)
    let end: number
    while ((end = this.rest.indexOf('\n')) >= 0) {
      const line = this.rest.slice(0, end).replace(/\r$/, '')
      this.rest = this.rest.slice(end + 1)
      if (!this.takeLine(line)) return false
    }
    return this.length + this.rest.length <= LONGEST_REPLY
  }

  private takeLine(line: string): boolean {
    const match = /^([2-5]\d\d)([ -]|$)/.exec(line)
    this.length += line.length
    // Code without text is a reply too; Haraka knows it only with the space.
    this.lines.push(match?.[2] === '' ? `${line} ` : line)
    if (match?.[2] === '-') return this.length <= LONGEST_REPLY
    const reply = { code: Number(match?.[1] ?? 0), lines: this.lines }
    this.lines = []
    this.length = 0
    this.onReply(reply)
    return true
  }
}

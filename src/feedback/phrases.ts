/** Finding many phrases in a text at once, in time that grows with the text alone (Aho and Corasick, CACM 18:6, 1975). */

/** Of a text; a longer one is cut. Bounds the time of a search. */
const LONGEST_TEXT = 2000
const GAP = ' '

/** What cannot be part of a mail address as answers print it. */
const CHUNK = /[^\s<>()[\]{}"',;:=|]+/g
const BEYOND_ASCII = /[\u0080-\uffff]/
const NETWORK_ADDRESS = /(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.]*\d)/g

/**
 * A text as it is compared: words in lower case, whatever stands between them one blank. `Over-Quota (552)` is
 * ` over quota 552 `. Addresses of mailboxes and IPv4 hosts are left out: who is meant is no part of what is said, and
 * `dkim@example.com` says nothing of DKIM.
 */
export function plainText(text: string): string {
  let said = text.slice(0, LONGEST_TEXT)
  if (said.includes('@')) said = said.replace(CHUNK, (chunk) => (chunk.includes('@') ? GAP : chunk))
  const lower = said.replace(NETWORK_ADDRESS, GAP).toLowerCase()
  // Most answers are plain ASCII, which is read twice as fast.
  const words = BEYOND_ASCII.test(lower)
    ? lower.normalize('NFC').match(/[\p{L}\p{M}\p{N}]+/gu)
    : lower.match(/[a-z0-9]+/g)
  return words ? GAP + words.join(GAP) + GAP : GAP
}

/**
 * Whole words; a `*` at the end goes on within the last word, one at the beginning begins within the first: `block*`,
 * `*quota`. Undefined for what would match anything.
 */
export function plainPhrase(phrase: string): string | undefined {
  const text = plainText(phrase)
  if (text === GAP) return undefined
  return text.slice(phrase.startsWith('*') ? 1 : 0, phrase.endsWith('*') ? -1 : undefined)
}

/** The phrases of all rules, each with a number. */
export class Phrases {
  /** By code unit: which column of `moves`; 0 for what stands in no phrase. */
  private readonly columns = new Uint8Array(65_536)
  private readonly width: number
  /** State after a state and a column. */
  private readonly moves: Int32Array
  /** Phrases that end in a state, also as the end of longer ones. */
  private readonly ends: readonly (readonly number[])[]
  /** The search in which each phrase was found last. */
  private readonly seen: Uint32Array
  private search = 0

  /** `phrases` as {@link plainPhrase} gives them; at most 255 different characters, or a RangeError is thrown. */
  constructor(phrases: readonly string[]) {
    this.seen = new Uint32Array(phrases.length)
    const characters = [...new Set(phrases.flatMap((phrase) => phrase.split('')))]
    if (characters.length > 255) throw new RangeError(`phrases have ${characters.length} different characters, not 255`)
    for (const [index, character] of characters.entries()) this.columns[character.charCodeAt(0)] = index + 1
    this.width = characters.length + 1
    const { moves, ends } = build(phrases, (character) => this.columns[character.charCodeAt(0)]!, this.width)
    this.moves = moves
    this.ends = ends
  }

  /** Finds the phrases that stand in a text as {@link plainText} gives it. Calls back once for each, in no order. */
  find(text: string, onFound: (phrase: number) => void): void {
    const { columns, moves, width, ends, seen } = this
    const search = ++this.search
    let state = 0
    for (let at = 0; at < text.length; at++) {
      state = moves[state * width + columns[text.charCodeAt(at)]!]!
      for (const phrase of ends[state]!) {
        if (seen[phrase] === search) continue
        seen[phrase] = search
        onFound(phrase)
      }
    }
  }

  /** Whether the last search has found it. */
  has(phrase: number): boolean {
    return this.search > 0 && this.seen[phrase] === this.search
  }
}

interface Machine {
  readonly moves: Int32Array
  readonly ends: readonly (readonly number[])[]
}

function build(phrases: readonly string[], columnOf: (character: string) => number, width: number): Machine {
  const most = phrases.reduce((sum, phrase) => sum + phrase.length, 1)
  const moves = new Int32Array(most * width).fill(-1)
  const ends: number[][] = [[]]
  for (const [number, phrase] of phrases.entries()) {
    let state = 0
    for (const character of phrase.split('')) {
      const move = state * width + columnOf(character)
      if (moves[move] === -1) moves[move] = ends.push([]) - 1
      state = moves[move]!
    }
    ends[state]!.push(number)
  }
  return { moves: close(moves.slice(0, ends.length * width), ends, width), ends }
}

/** Gives each state a move for every column: where there is none of its own, that of the longest end which begins a phrase. */
function close(moves: Int32Array, ends: number[][], width: number): Int32Array {
  const fallbacks = new Int32Array(ends.length)
  const queue: number[] = []
  for (let column = 0; column < width; column++) {
    const first = moves[column]!
    if (first > 0) queue.push(first)
    else moves[column] = 0
  }
  for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
    const fallback = fallbacks[state]!
    ends[state]!.push(...ends[fallback]!)
    for (let column = 0; column < width; column++) {
      const move = state * width + column
      const over = moves[fallback * width + column]!
      if (moves[move] === -1) moves[move] = over
      else {
        fallbacks[moves[move]!] = over
        queue.push(moves[move]!)
      }
    }
  }
  return moves
}

import { CST, Lexer } from 'yaml'

/** No configuration comes near; a parser that calls itself for each level does not survive many thousands. */
const MOST_LEVELS = 100
const MOST_INDENT = 200

/**
 * The line in which a YAML text nests too deeply to be parsed safely, if there is one. The parser would overflow the
 * stack, in places where that ends the whole process; the lexer does not call itself.
 */
export function deepLine(text: string): number | undefined {
  let line = 1
  let open = 0
  let inLine = 0
  let atStart = true
  for (const source of new Lexer().lex(text)) {
    const type = CST.tokenType(source)
    if (type === 'flow-seq-start' || type === 'flow-map-start') open++
    else if (type === 'flow-seq-end' || type === 'flow-map-end') open--
    else if (open <= 0 && LEVELS.has(type)) inLine++
    if (open > MOST_LEVELS || inLine > MOST_LEVELS) return line
    if (atStart && type === 'space' && source.length > MOST_INDENT) return line
    atStart = type === 'newline'
    if (atStart) inLine = 0
    for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) line++
  }
  return undefined
}

/** Each begins a level of its own when several stand in one line: `- - a: b`. */
const LEVELS: ReadonlySet<string | null> = new Set(['seq-item-ind', 'map-value-ind', 'explicit-key-ind'])

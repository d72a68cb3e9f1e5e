/** Reads YAML and remembers where everything stood. */
import {
  type Alias,
  type Document,
  type ErrorCode,
  LineCounter,
  type Node,
  type Pair,
  type ParsedNode,
  type YAMLError,
  type YAMLMap,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  visit,
} from 'yaml'
import { MOST_ALIASES, TOO_MANY_ALIASES, readAliases } from './aliases'
import { deepLine } from './depth'

/** A place in a text, both from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

export interface SyntaxProblem extends Place {
  readonly message: string
}

/** A configuration file as it was written: its value, and the place of every key. */
export interface ConfigDocument {
  /** Plain data; undefined for a file that says nothing. */
  readonly value: unknown
  /** Place of the value at a path, or of the nearest thing above it that the file holds. */
  placeOfValue(path: readonly PropertyKey[]): Place
  /** Place of the last key of a path, or of the nearest thing above it. */
  placeOfKey(path: readonly PropertyKey[]): Place
  /** Whether the file holds this very path. */
  holds(path: readonly PropertyKey[]): boolean
}

export type ReadDocument = { readonly document: ConfigDocument } | { readonly problems: readonly SyntaxProblem[] }

/** Reads a text, or says what is wrong with its syntax: the first problem of each line, since one slip draws others. */
export function readDocument(text: string): ReadDocument {
  const lines = new LineCounter()
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const deep = deepLine(text)
  if (deep !== undefined) return { problems: [{ line: deep, column: 1, message: TOO_DEEP }] }
  // Warnings come back as problems here rather than go to the console.
  // The parser compares every key with every other, which takes a minute for some ten thousand: see wrongKeys.
  const unchecked = { uniqueKeys: false, prettyErrors: false } as const
  const options = { lineCounter: lines, stringKeys: true, logLevel: 'error', ...unchecked } as const
  const yaml = parseDocument(text, options)
  const aliases = readAliases(yaml)
  const syntax = [...yaml.errors, ...yaml.warnings].map((error) => ({
    ...place(error.pos[0]),
    message: explainSyntax(error, text),
  }))
  const wrongAliases = 'mistakes' in aliases ? aliases.mistakes : []
  const problems = [
    ...syntax,
    ...wrongAliases.map(({ offset, message }) => ({ ...place(offset), message })),
    ...wrongKeys(yaml, place),
  ]
  if (problems.length > 0 || !('targets' in aliases)) return { problems: firstOfEachLine(problems) }
  try {
    const value: unknown = yaml.toJS({ maxAliasCount: MOST_ALIASES })
    return {
      document: documentOf({ contents: yaml.contents, targets: aliases.targets, pairs: new Map() }, value, place),
    }
  } catch {
    return { problems: [{ line: 1, column: 1, message: TOO_MANY_ALIASES }] }
  }
}

type Placer = (offset: number) => Place

/** Those that stand twice, and one that no check further on would see. */
function wrongKeys(yaml: Document.Parsed, place: Placer): SyntaxProblem[] {
  const problems: SyntaxProblem[] = []
  visit(yaml, {
    Map: (_, map) => {
      const seen = new Set<string>()
      for (const { key } of map.items) {
        if (!isScalar(key)) continue
        const name = String(key.value)
        const say = (message: string) => problems.push({ ...place(key.range?.[0] ?? 0), message })
        if (name === '__proto__') say('"__proto__" is no name for anything: take another')
        if (seen.has(name)) say(`"${name}" stands here twice: keep one`)
        seen.add(name)
      }
    },
  })
  return problems
}

/** What places are looked up in. */
interface Tree {
  readonly contents: ParsedNode | null
  readonly targets: ReadonlyMap<Alias, Node>
  /** The pairs of each map by key, made when first asked for: a long map is asked about for each of its mistakes. */
  readonly pairs: Map<YAMLMap, ReadonlyMap<string | undefined, Pair<ParsedNode, ParsedNode | null>>>
}

function documentOf(tree: Tree, value: unknown, place: Placer): ConfigDocument {
  return {
    value: value ?? undefined,
    placeOfValue: (path) => {
      const { node, keyOffset } = locate(tree, path)
      return place(node?.range[0] ?? keyOffset)
    },
    placeOfKey: (path) => place(locate(tree, path).keyOffset),
    holds: (path) => locate(tree, path).depth === path.length,
  }
}

interface Located {
  /** The node at the path, or the nearest above it. */
  readonly node: ParsedNode | null
  /** Where its key stands; for an entry of a list, the entry itself. */
  readonly keyOffset: number
  /** How many steps of the path the file holds. */
  readonly depth: number
}

function locate({ contents, targets, pairs }: Tree, path: readonly PropertyKey[]): Located {
  let found: Located = { node: contents, keyOffset: contents?.range[0] ?? 0, depth: 0 }
  for (const step of path) {
    const { node } = found
    const target = isAlias(node) ? (targets.get(node) as ParsedNode | undefined) : node
    const deeper = stepInto({ ...found, node: target ?? null }, step, pairs)
    if (!deeper) break
    found = deeper
  }
  return found
}

function stepInto({ node, depth }: Located, step: PropertyKey, pairs: Tree['pairs']): Located | undefined {
  if (isMap<ParsedNode, ParsedNode | null>(node)) {
    const byKey = pairs.get(node) ?? new Map(node.items.map((pair) => [keyOf(pair), pair]))
    pairs.set(node, byKey)
    const pair = byKey.get(String(step))
    return pair && { node: pair.value ?? null, keyOffset: pair.key.range[0], depth: depth + 1 }
  }
  if (isSeq<ParsedNode>(node)) {
    const item = node.items[Number(step)]
    return isNode(item) ? { node: item, keyOffset: item.range[0], depth: depth + 1 } : undefined
  }
  return undefined
}

function keyOf({ key }: Pair<ParsedNode, unknown>): string | undefined {
  return isScalar(key) ? String(key.value) : undefined
}

function firstOfEachLine(problems: SyntaxProblem[]): SyntaxProblem[] {
  problems.sort((a, b) => a.line - b.line || a.column - b.column)
  return problems.filter(({ line }, index) => problems[index - 1]?.line !== line)
}

const QUOTE = 'put the value in quotes'
const NO_VALUE = 'a key without a value: write "key: value", with a space after the colon'
const TOO_DEEP = 'nested too deeply'
const OPEN_LIST = 'a list is opened with [ and never closed with ]'
const OPEN_SECTION = 'a section is opened with { and never closed with }'

const CROOKED = 'the indent fits nothing above: line it up with its neighbours'

type Explain = (message: string, text: string, offset: number) => string

/** What a YAML parser means, for somebody who writes YAML twice a year. Values are never repeated: one may be a password. */
const EXPLAIN: Readonly<Partial<Record<ErrorCode, Explain>>> = {
  TAB_AS_INDENT: () => 'a tab: YAML indents with spaces only',
  BLOCK_AS_IMPLICIT_KEY: () => `a second ":" in one line: ${QUOTE} or in braces, such as {canary: 10%}`,
  MULTILINE_IMPLICIT_KEY: () => NO_VALUE,
  MISSING_CHAR: (message) => (message.includes('quote') ? 'a quote is opened and never closed' : sayOpen(message)),
  BAD_INDENT: (message) => (message.startsWith('Flow') ? sayOpen(message) : CROOKED),
  BAD_SCALAR_START: (_, text, offset) => `a value cannot begin with ${JSON.stringify(text[offset])}: ${QUOTE}`,
  MULTIPLE_DOCS: () => 'a second document begins here: remove the line ---',
  TAG_RESOLVE_FAILED: () => `a value cannot begin with "!": ${QUOTE}`,
  RESOURCE_EXHAUSTION: () => TOO_DEEP,
  NON_STRING_KEY: () => 'a key must be a plain word: a list or section stands here',
}

function sayOpen(message: string): string {
  if (message.includes(']')) return OPEN_LIST
  return message.includes('}') ? OPEN_SECTION : NO_VALUE
}

function explainSyntax({ code, message, pos }: YAMLError, text: string): string {
  return EXPLAIN[code]?.(message, text, pos[0]) ?? `no valid YAML: ${message}`
}

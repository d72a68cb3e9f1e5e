import { redactProse } from './redact'

/** A mistake in the configuration: where it is, what is wrong, how to mend it. */
export interface ConfigProblem {
  /** Relative to the Haraka directory, such as `config/sluice.yaml`; absolute for a map kept elsewhere. */
  readonly file: string
  /** Both from 1. */
  readonly line: number
  readonly column: number
  /** Key path such as `limits.sender.limit`; the key of the entry in a map file; empty where no key is concerned. */
  readonly path: string
  readonly message: string
}

/** A mistake by key path; the loader adds file and line. */
export interface Mistake {
  readonly path: readonly PropertyKey[]
  /** Whether to point at the key or at its value. */
  readonly at: 'key' | 'value'
  readonly message: string
}

/**
 * One line, as compilers write it, so that editors can jump to it: `config/sluice.yaml:12:5 limits.sender.limt: …`. A
 * store's address may stand anywhere by mistake, also as a key: its password is not shown.
 */
export function formatProblem({ file, line, column, path, message }: ConfigProblem): string {
  const text = `${file}:${line}:${column} ${path === '' ? '' : `${path}: `}${message}`
  // What was written is quoted: it may hold line feeds, and letters that a terminal obeys.
  return redactProse(text.replace(/\p{Cc}+/gu, ' '))
}

/** A key path for people; a key that holds a dot or a space, such as a domain, is put in quotes. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else {
      const name = String(part)
      text += `${text === '' ? '' : '.'}${/^[\w-]+$/.test(name) ? name : JSON.stringify(name)}`
    }
  }
  return text
}

/** Order for reading: by file, then from top to bottom. */
export function byPlace(a: ConfigProblem, b: ConfigProblem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1
  return a.line - b.line || a.column - b.column
}

/** The candidate that `word` was probably meant to be: one slip in short words, two in longer ones. */
export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  const most = word.length < 4 ? 1 : 2
  let best: string | undefined
  let least = most + 1
  for (const candidate of candidates) {
    const distance = slips(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least) [best, least] = [candidate, distance]
  }
  return best
}

/** Letters to add, drop, change or swap with the one beside it (Damerau–Levenshtein, restricted) to make `b` of `a`. */
function slips(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Infinity
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + Number(a[i - 1] !== b[j - 1])
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Infinity
      current.push(Math.min(row[j]! + 1, current[j - 1]! + 1, changed, swapped))
    }
    before = row
    row = current
  }
  return row[b.length]!
}

import { existsSync } from 'node:fs'
import path from 'node:path'
import { Classifier } from '../../feedback/classifier'
import { displayName, readText, shippedFile } from '../files'
import { MOST_EXPLAINED } from '../issues'
import { locate, problemAt } from '../locate'
import { type ConfigProblem, byPlace, formatProblem } from '../problem'
import { START, readShaped } from '../shaped'
import { mistakesIn } from './lint'
import { type ResponsesFile, rulesOf } from './rules'
import { RESPONSES_KEYS, responsesSchema } from './schema'

/** The shipped file changes only with the package, and reading it takes longer than all else of a load. */
let shippedBefore: { readonly text: string; readonly shaped: Shaped } | undefined
/** What the rules of the last load were made of. */
let classifierBefore: { readonly texts: string; readonly classifier: Classifier } | undefined

/** Relative to the config directory: the operator's rules are asked before the shipped ones. */
export const RESPONSES_FILE = 'sluice/responses.yaml'
const MOST_BYTES = 4 * 1024 ** 2

export interface ReadResponses {
  /** The operator's file, there or not, absolute: a change of it may change the outcome. */
  readonly lookedFor: string
  /** Names and texts of the files that were read. */
  readonly texts: readonly { readonly name: string; readonly text: string }[]
  readonly outcome: { readonly classifier: Classifier } | { readonly problems: readonly ConfigProblem[] }
}

/**
 * Reads the shipped file and the operator's over it. `providers`: the names that rules may use. Never throws for what the
 * files hold.
 */
export function readResponses(harakaDir: string, configDir: string, providers: readonly string[]): ReadResponses {
  const lookedFor = path.resolve(configDir, RESPONSES_FILE)
  const shipped = shippedFile(RESPONSES_FILE)
  const wanted = [...(shipped === undefined ? [] : [shipped]), ...(existsSync(lookedFor) ? [lookedFor] : [])]
  const texts: { name: string; text: string }[] = []
  const refuse = (problems: readonly ConfigProblem[]): ReadResponses => ({ lookedFor, texts, outcome: { problems } })
  const files: ResponsesFile[] = []
  let known: ReadonlySet<string> | undefined
  // In a checkout of this package the two are the same.
  for (const file of new Set(wanted)) {
    const name = displayName(harakaDir, file)
    const read = readText(file, MOST_BYTES)
    if (!('text' in read)) return refuse([problemAt(name, START, '', 'problem' in read ? read.problem : 'is gone')])
    texts.push({ name, text: read.text })
    const shaped = file === shipped ? shapeShipped(name, read.text) : shape(name, read.text)
    if ('problems' in shaped) return refuse(shaped.problems)
    files.push(shaped.file)
    const rules = rulesOf(files)
    // The shipped file is checked when this package is tested: that takes as long as all else.
    const mistakes = file === lookedFor ? mistakesIn(shaped.file, rules, { shipped: known, providers }) : []
    if (mistakes.length > 0) {
      const problems = mistakes.slice(0, MOST_EXPLAINED).map((one) => locate(name, shaped.file.document, one))
      return refuse(problems.sort(byPlace))
    }
    known = new Set(rules.map((rule) => rule.name))
  }
  if (files.length === 0) return refuse([problemAt(`config/${RESPONSES_FILE}`, START, '', NOT_SHIPPED)])
  return { lookedFor, texts, outcome: { classifier: classifierOf(files, texts.map(({ text }) => text).join('\0')) } }
}

type Shaped = ReturnType<typeof shape>

function shape(name: string, text: string) {
  return readShaped(name, text, { schema: responsesSchema, keys: RESPONSES_KEYS })
}

function shapeShipped(name: string, text: string): Shaped {
  if (shippedBefore?.text !== text) shippedBefore = { text, shaped: shape(name, text) }
  const { shaped } = shippedBefore
  return 'file' in shaped ? { file: { ...shaped.file, name } } : shaped
}

function classifierOf(files: readonly ResponsesFile[], texts: string): Classifier {
  if (classifierBefore?.texts !== texts) classifierBefore = { texts, classifier: new Classifier(rulesOf(files)) }
  return classifierBefore.classifier
}

/** The shipped rules alone, for when the operator's cannot be used. */
export function shippedResponses(): Classifier {
  const file = shippedFile(RESPONSES_FILE) ?? RESPONSES_FILE
  const { outcome } = readResponses(path.dirname(file), path.dirname(file), [])
  if ('classifier' in outcome) return outcome.classifier
  throw new Error(`the shipped responses cannot be used: ${outcome.problems.map(formatProblem).join('; ')}`)
}

const NOT_SHIPPED = 'is missing from this package too: install it again'

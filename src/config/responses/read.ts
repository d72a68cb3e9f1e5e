import { existsSync } from 'node:fs'
import path from 'node:path'
import { Classifier } from '../../feedback/classifier'
import { displayName, readText, shippedFile } from '../files'
import { MOST_EXPLAINED } from '../issues'
import { locate, problemAt } from '../locate'
import { type ConfigProblem, byPlace } from '../problem'
import { START, readShaped } from '../shaped'
import { mistakesIn } from './lint'
import { type ResponsesFile, rulesOf } from './rules'
import { RESPONSES_KEYS, responsesSchema } from './schema'

/** Relative to the config directory: the operator's rules are asked before the shipped ones. */
export const RESPONSES_FILE = 'sluice/responses.yaml'
const MOST_BYTES = 4 * 1024 ** 2

export type ReadResponses = { readonly classifier: Classifier } | { readonly problems: readonly ConfigProblem[] }

/** Reads the shipped file and the operator's over it. `providers`: the names that rules may use. */
export function readResponses(harakaDir: string, configDir: string, providers: readonly string[]): ReadResponses {
  const lookedFor = path.resolve(configDir, RESPONSES_FILE)
  const shipped = shippedFile(RESPONSES_FILE)
  const wanted = [...(shipped === undefined ? [] : [shipped]), ...(existsSync(lookedFor) ? [lookedFor] : [])]
  const files: ResponsesFile[] = []
  let known: ReadonlySet<string> | undefined
  // In a checkout of this package the two are the same.
  for (const file of new Set(wanted)) {
    const read = readFile(displayName(harakaDir, file), file)
    if ('problems' in read) return read
    const { name, document } = read.file
    files.push(read.file)
    const rules = rulesOf(files)
    const mistakes = mistakesIn(read.file, rules, { shipped: known, providers })
    if (mistakes.length > 0) {
      const problems = mistakes.slice(0, MOST_EXPLAINED).map((mistake) => locate(name, document, mistake))
      return { problems: problems.sort(byPlace) }
    }
    known = new Set(rules.map(({ name }) => name))
  }
  if (files.length === 0) return { problems: [problemAt(`config/${RESPONSES_FILE}`, START, '', NOT_SHIPPED)] }
  return { classifier: new Classifier(rulesOf(files)) }
}

const NOT_SHIPPED = 'is missing from this package too: install it again'

function readFile(name: string, file: string): ReturnType<typeof readShaped<typeof responsesSchema>> {
  const read = readText(file, MOST_BYTES)
  if ('text' in read) return readShaped(name, read.text, { schema: responsesSchema, keys: RESPONSES_KEYS })
  return { problems: [problemAt(name, START, '', 'problem' in read ? read.problem : 'is gone')] }
}

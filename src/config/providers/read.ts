import { existsSync } from 'node:fs'
import path from 'node:path'
import type { EgressRules } from '../../egress/rules'
import { displayName, readText, shippedFile } from '../files'
import { MOST_EXPLAINED } from '../issues'
import { locate, problemAt } from '../locate'
import { type ConfigProblem, byPlace, formatProblem, type Mistake } from '../problem'
import { START, readShaped } from '../shaped'
import { type ProvidersFile, rulesOf } from './layers'
import { mistakesIn, unknownSources } from './lint'
import { PROVIDERS_KEYS, providersSchema } from './schema'

/** Relative to the config directory: the operator's stands over the shipped one. */
export const PROVIDERS_FILE = 'sluice/providers.yaml'
const MOST_BYTES = 1024 ** 2

export interface ReadProviders {
  /** The operator's file, there or not, absolute: a change of it may change the outcome. */
  readonly lookedFor: string
  /** Names and texts of the files that were read. */
  readonly texts: readonly { readonly name: string; readonly text: string }[]
  readonly outcome:
    | { readonly rules: EgressRules; readonly files: readonly ProvidersFile[] }
    | { readonly problems: readonly ConfigProblem[] }
}

/** Reads the shipped file and the operator's over it. Never throws for what the files hold. */
export function readProviders(harakaDir: string, configDir: string): ReadProviders {
  const lookedFor = path.resolve(configDir, PROVIDERS_FILE)
  try {
    return { lookedFor, ...readFiles(harakaDir, lookedFor) }
  } catch (error) {
    // A running server reads this too: a bug in here must not end it.
    const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`
    return { lookedFor, texts: [], outcome: { problems: [problemAt(`config/${PROVIDERS_FILE}`, START, '', message)] } }
  }
}

/** The shipped rules alone, for when the operator's cannot be used. */
export function shippedProviders(): EgressRules {
  const file = shippedFile(PROVIDERS_FILE) ?? PROVIDERS_FILE
  const { outcome } = readFiles(path.dirname(file), file)
  if ('rules' in outcome) return outcome.rules
  throw new Error(`the shipped providers cannot be used: ${outcome.problems.map(formatProblem).join('; ')}`)
}

function readFiles(harakaDir: string, lookedFor: string): Omit<ReadProviders, 'lookedFor'> {
  const shipped = shippedFile(PROVIDERS_FILE)
  const wanted = [...(shipped === undefined ? [] : [shipped]), ...(existsSync(lookedFor) ? [lookedFor] : [])]
  const texts: { name: string; text: string }[] = []
  const files: ProvidersFile[] = []
  const problems: ConfigProblem[] = []
  let rules: EgressRules | undefined
  // In a checkout of this package the two are the same.
  for (const file of new Set(wanted)) {
    const name = displayName(harakaDir, file)
    const read = readText(file, MOST_BYTES)
    if (!('text' in read)) {
      problems.push(problemAt(name, START, '', 'problem' in read ? read.problem : 'is gone'))
      continue
    }
    texts.push({ name, text: read.text })
    const parsed = readShaped(name, read.text, { schema: providersSchema, keys: PROVIDERS_KEYS })
    if ('problems' in parsed) {
      problems.push(...parsed.problems)
      continue
    }
    files.push(parsed.file)
    const under = rules
    const all = rulesOf(files)
    rules = all
    problems.push(...inPlaces(parsed.file, mistakesIn(parsed.file, all, under)))
  }
  if (!rules && problems.length === 0) problems.push(problemAt(`config/${PROVIDERS_FILE}`, START, '', NOT_SHIPPED))
  const outcome = rules && problems.length === 0 ? { rules, files } : { problems }
  return { texts, outcome }
}

/** Layers for sources that `egress` in `config/sluice.yaml` does not name, with their places. */
export function strangeSources(
  files: readonly ProvidersFile[],
  sources: ReadonlyMap<string, unknown>,
): ConfigProblem[] {
  return files.flatMap((file) => inPlaces(file, unknownSources(file, [...sources.keys()])))
}

const NOT_SHIPPED = 'is missing from this package too: install it again'

function inPlaces({ name, document }: ProvidersFile, mistakes: readonly Mistake[]): ConfigProblem[] {
  const problems = mistakes.map((mistake) => locate(name, document, mistake))
  return problems.sort(byPlace).slice(0, MOST_EXPLAINED)
}

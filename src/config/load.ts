import { createHash } from 'node:crypto'
import path from 'node:path'
import type { EgressRules } from '../egress/rules'
import type { Classifier } from '../feedback/classifier'
import type { Overrides } from '../gates/limits/rule'
import { type CompileProblem, type Policy, compilePolicy } from './compile'
import { DEFAULTS } from './defaults'
import { type ConfigDocument, type Place, readDocument } from './document'
import { displayName, readText } from './files'
import { MOST_EXPLAINED, mistakesOf, sayValue } from './issues'
import { locate, problemAt } from './locate'
import { type MapFile, MapFiles } from './map-files'
import { isSection, mergeConfig } from './merge'
import { type ConfigProblem, byPlace, pathText, type Mistake } from './problem'
import { type ReadProviders, readProviders, strangeSources } from './providers/read'
import { type ReadResponses, readResponses } from './responses/read'
import { mistakenRemoval, readRule } from './rules'
import { type Config, type RuleInput, configSchema } from './schema'
import { hollowLadders, strangeGroups } from './sections/egress-warmup'
import { storeMistakes } from './store-address'

export { type ConfigProblem, formatProblem } from './problem'

/** Where a value of the configuration comes from: the defaults, or a place in the operator's file. */
export type Origin = 'default' | (Place & { readonly file: string })

export interface Origins {
  of(path: readonly PropertyKey[]): Origin
}

interface Files {
  /** Files that the outcome depends on, relative to the Haraka directory where they are inside; not all need exist. */
  readonly files: readonly string[]
  /** Changes when the content of any of them does. */
  readonly fingerprint: string
}

/** A configuration that can be put in force. */
export interface LoadedPolicy extends Files {
  readonly policy: Policy
  /** What `config/sluice/providers.yaml` says, the operator's over the shipped one. */
  readonly egress: EgressRules
  /** What `config/sluice/responses.yaml` says of answers, the operator's before the shipped one. */
  readonly responses: Classifier
  /** The operator's file is not there, or says nothing: everything is a default. */
  readonly empty: boolean
  readonly origins: Origins
  /** The file laid over the defaults, units as they were written. */
  readonly effective: Readonly<Record<string, unknown>>
  /** Map files in use, by the rule that names them. */
  readonly maps: ReadonlyMap<string, MapFile>
}

/** A configuration with mistakes, ordered by place: all of them, or the first hundred and how many more there are. */
export interface RefusedPolicy extends Files {
  readonly problems: readonly ConfigProblem[]
}

export type LoadResult = LoadedPolicy | RefusedPolicy

export interface LoadOptions {
  /** The YAML file to read, relative to the Haraka directory. Default: `config/sluice.yaml`. */
  readonly file?: string
}

/** Folder of the configuration in a Haraka directory, and the file in it. */
export const CONFIG_DIR = 'config'
export const CONFIG_FILE = 'config/sluice.yaml'
const MOST_CONFIG_BYTES = 1024 ** 2

/**
 * Reads the configuration of a Haraka directory: `config/sluice.yaml` over the defaults, with the map files that it
 * names. A file that is not there means the defaults. Never throws: whatever is wrong comes back as problems.
 */
export function loadPolicy(harakaDir: string, { file = CONFIG_FILE }: LoadOptions = {}): LoadResult {
  const home = path.resolve(harakaDir)
  const absolute = path.resolve(home, file)
  const name = displayName(home, absolute)
  const configDir = path.join(home, CONFIG_DIR)
  const maps = new MapFiles(home, configDir)
  const providers = readProviders(home, configDir)
  const read = readText(absolute, MOST_CONFIG_BYTES)
  const text = 'text' in read ? read.text : ''
  const content = 'text' in read ? text : JSON.stringify(read)
  let outcome: Outcome
  let responses: ReadResponses | undefined
  try {
    const names = 'rules' in providers.outcome ? [...providers.outcome.rules.providers.keys()] : undefined
    // Without the names of providers all that name one would be mistakes.
    responses = names && readResponses(home, configDir, names)
    outcome =
      'problem' in read
        ? refuse(name, read.problem)
        : withResponses(withProviders(name, readPolicy(name, text, maps), providers), responses)
  } catch (error) {
    // A running server reads this too: a bug in here must not end it.
    outcome = refuse(name, `cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  const texts = [...maps.files, ...providers.texts, ...(responses?.texts ?? [])]
  const beside = [...maps.lookedFor, providers.lookedFor, ...(responses ? [responses.lookedFor] : [])]
  return {
    ...outcome,
    files: [...new Set([name, ...beside.map((one) => displayName(home, one))])],
    fingerprint: fingerprintOf(content, texts),
  }
}

type Refused = Omit<RefusedPolicy, keyof Files>
type Outcome = Omit<LoadedPolicy, keyof Files> | Refused
type WithProviders = Omit<LoadedPolicy, keyof Files | 'responses'> | Refused
type PolicyOutcome = Omit<LoadedPolicy, keyof Files | 'responses' | 'egress'> | Refused

function withResponses(outcome: WithProviders, read: ReadResponses | undefined): Outcome {
  const own = 'problems' in outcome ? outcome.problems : []
  // Where they were not read the providers have problems.
  const found = read?.outcome ?? { problems: [] }
  if ('problems' in found) return first([...own, ...found.problems])
  return 'problems' in outcome ? outcome : { ...outcome, responses: found.classifier }
}

function withProviders(name: string, outcome: PolicyOutcome, { outcome: read }: ReadProviders): WithProviders {
  const own = 'problems' in outcome ? outcome.problems : []
  if ('problems' in read) return first([...own, ...read.problems])
  if ('problems' in outcome) return outcome
  const strange = strangeSources(read.files, outcome.policy.egress.sources)
  if (strange.length > 0) return first(strange)
  const { warmup } = outcome.policy.egress
  const mistakes = [...hollowLadders(warmup), ...strangeGroups(warmup, [...read.rules.providers.keys()])]
  if (mistakes.length > 0) return first(mistakes.map((mistake) => placed(name, outcome.origins, mistake)))
  return { ...outcome, egress: read.rules }
}

/** A mistake that shows only beside another file. */
function placed(file: string, origins: Origins, { path, message }: Mistake): ConfigProblem {
  const origin = origins.of(path)
  return problemAt(file, origin === 'default' ? { line: 1, column: 1 } : origin, pathText(path), message)
}

function refuse(file: string, message: string): Refused {
  return { problems: [problemAt(file, { line: 1, column: 1 }, '', message)] }
}

function readPolicy(name: string, text: string, maps: MapFiles): PolicyOutcome {
  const parsed = readDocument(text)
  if ('problems' in parsed)
    return first(parsed.problems.map((problem) => problemAt(name, problem, '', problem.message)))
  const { document } = parsed
  if (document.value !== undefined && !isSection(document.value)) {
    return refuse(name, `must be lines of "key: value", not ${sayValue(document.value)}`)
  }
  const effective = mergeConfig(DEFAULTS, document.value ?? {})
  const checked = check(effective, maps)
  if (!('policy' in checked)) {
    const own = checked.mistakes.map((mistake) => locate(name, document, mistake))
    return first([...own, ...checked.mapProblems].sort(byPlace), checked.more)
  }
  const { policy, mapOf } = checked
  const empty = Object.keys(document.value ?? {}).length === 0
  return { policy, empty, effective, maps: mapOf, origins: originsOf(name, document) }
}

/** Each becomes a line in the log of a running server. `more` are known to be there and not among them. */
function first(problems: readonly ConfigProblem[], more = 0): Refused {
  const shown = problems.slice(0, MOST_EXPLAINED)
  const left = problems.length - shown.length + more
  const last = shown.at(-1)
  if (left === 0 || !last) return { problems }
  return { problems: [...shown, { ...last, path: '', message: `and ${left} more: mend these first` }] }
}

type Checked =
  | { readonly policy: Policy; readonly mapOf: ReadonlyMap<string, MapFile> }
  | { readonly mistakes: readonly Mistake[]; readonly more: number; readonly mapProblems: readonly ConfigProblem[] }

/** Looks for everything that is wrong at once, within bounds: a mistake in one place does not hide those in others. */
function check(effective: Record<string, unknown>, maps: MapFiles): Checked {
  const parsed = configSchema.safeParse(effective)
  const found = parsed.success ? undefined : mistakesOf(parsed.error.issues, effective)
  const mistakes = [...(found?.mistakes ?? [])]
  const more = found?.more ?? 0
  // Where not all is known that is wrong, nothing can be left out to go on with the rest.
  const config = parsed.success ? parsed.data : more === 0 ? salvage(effective, mistakes) : undefined
  const { overrides, mapOf, mapProblems } = checkRules(effective.limits, config?.limits ?? {}, maps, mistakes)
  mistakes.push(...storeMistakes(effective.store))
  const compiled = config && compilePolicy(config, (rule) => overrides.get(rule))
  if (compiled && 'problems' in compiled) mistakes.push(...compiled.problems.map(mistakeOf))
  if (compiled && 'policy' in compiled && mistakes.length === 0 && mapProblems.length === 0) {
    return { policy: compiled.policy, mapOf }
  }
  return { mistakes, more, mapProblems }
}

function checkRules(limits: unknown, rules: Config['limits'], maps: MapFiles, mistakes: Mistake[]) {
  const overrides = new Map<string, Overrides>()
  const mapOf = new Map<string, MapFile>()
  const mapProblems = new Map<string, ConfigProblem>()
  for (const [name, raw] of Object.entries(isSection(limits) ? limits : {})) {
    const removal = raw === false ? mistakenRemoval(name) : undefined
    if (removal) mistakes.push(removal)
    if (!isSection(raw)) continue
    const rule: RuleInput | false | undefined = Object.hasOwn(rules, name) ? rules[name] : undefined
    const read = readRule(name, raw, rule === false ? undefined : rule, maps)
    overrides.set(name, read.overrides)
    if (read.map) mapOf.set(name, read.map)
    // There may be more than a call takes arguments.
    for (const mistake of read.mistakes) mistakes.push(mistake)
    // Two rules that share a map would tell its mistakes twice.
    for (const { key, ...problem } of read.mapProblems) {
      mapProblems.set(`${problem.file}:${problem.line} ${problem.message}`, { ...problem, path: key })
    }
  }
  return { overrides, mapOf, mapProblems: [...mapProblems.values()] }
}

/** The configuration without its wrong parts, so that the rest can be checked further. */
function salvage(effective: Record<string, unknown>, mistakes: readonly Mistake[]): Config | undefined {
  const sound: Record<string, unknown> = { ...effective }
  const limits = isSection(effective.limits) ? { ...effective.limits } : {}
  for (const {
    path: [section, rule],
  } of mistakes) {
    if (section === 'limits' && rule !== undefined) delete limits[String(rule)]
    else delete sound[String(section)]
  }
  const parsed = configSchema.safeParse({ ...DEFAULTS, ...sound, limits })
  return parsed.success ? parsed.data : undefined
}

function mistakeOf({ path, message }: CompileProblem): Mistake {
  return { path, at: 'value', message }
}

function originsOf(file: string, document: ConfigDocument): Origins {
  return { of: (path) => (document.holds(path) ? { file, ...document.placeOfKey(path) } : 'default') }
}

function fingerprintOf(content: string, texts: readonly { readonly name: string; readonly text: string }[]): string {
  const hash = createHash('sha256').update(content)
  for (const { name, text } of texts) hash.update('\0').update(name).update('\0').update(text)
  return hash.digest('hex').slice(0, 16)
}

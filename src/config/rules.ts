/** What a rule says beside its schema: its overrides, its map file, and figures that cannot be meant. */
import type { Count, Dimension, Override, Overrides } from '../gates/limits/rule'
import { DEFAULTS } from './defaults'
import { isSection } from './merge'
import {
  type MapProblem,
  type OverrideEntry,
  type OverrideKey,
  buildOverrides,
  idOf,
  readOverrideKey,
  readOverrideValue,
} from './maps'
import type { MapFile, MapFiles } from './map-files'
import { didYouMean, type Mistake } from './problem'
import type { RuleInput } from './schema'
import { namesSize } from './units'

export interface ReadRule {
  readonly overrides: Overrides
  /** Undefined: the rule names no map, or it could not be read. */
  readonly map: MapFile | undefined
  readonly mistakes: readonly Mistake[]
  readonly mapProblems: readonly (MapProblem & { readonly file: string })[]
}

/**
 * Reads a rule's overrides. `raw` is the rule as written, merged over the shipped one; `rule` is undefined when its schema
 * found something wrong, and then whether an override can apply to it is not asked.
 */
export function readRule(
  name: string,
  raw: Record<string, unknown>,
  rule: RuleInput | undefined,
  maps: MapFiles,
): ReadRule {
  const mistakes: Mistake[] = []
  const above = ['limits', name]
  if (rule && rule.count !== 'bytes' && textsOf(raw.limit).some(namesSize)) {
    const message = `sizes are for count: bytes; ${rule.count} are counted one by one, such as 5/min`
    mistakes.push({ path: [...above, 'limit'], at: 'value', message })
  }
  const inline = isSection(raw.overrides) ? readInline([...above, 'overrides'], raw.overrides, rule, mistakes) : []
  const mapProblems: (MapProblem & { file: string })[] = []
  const map = typeof raw.overrides_file === 'string' ? maps.read(raw.overrides_file) : undefined
  if (map && 'problem' in map) {
    mistakes.push({ path: [...above, 'overrides_file'], at: 'value', message: map.problem })
    return { overrides: buildOverrides(inline), map: undefined, mistakes, mapProblems }
  }
  if (map) mapProblems.push(...map.problems.map((problem) => ({ ...problem, file: map.name })))
  if (map && rule) for (const problem of unfitEntries(name, rule, map)) mapProblems.push(problem)
  // Inline entries come last: they win over the file.
  const overrides = buildOverrides([...(map?.entries ?? []), ...inline])
  return { overrides, map, mistakes, mapProblems }
}

function readInline(
  above: readonly string[],
  section: Record<string, unknown>,
  rule: RuleInput | undefined,
  mistakes: Mistake[],
): OverrideEntry[] {
  const entries: OverrideEntry[] = []
  const seen = new Map<string, string>()
  for (const [text, input] of Object.entries(section)) {
    const path = [...above, text]
    const key = readOverrideKey(text)
    const value = readOverrideValue(input)
    if ('problem' in key) mistakes.push({ path, at: 'key', message: key.problem })
    if ('problem' in value) mistakes.push({ path, at: 'value', message: value.problem })
    if ('problem' in key || 'problem' in value) continue
    const unfit = rule && (unfitKey(key.value, rule.per) ?? unfitValue(value.value, rule.count))
    const twin = seen.get(idOf(key.value))
    if (unfit !== undefined) mistakes.push({ path, at: 'key', message: unfit })
    else if (twin !== undefined) mistakes.push({ path, at: 'key', message: `means the same as "${twin}": keep one` })
    seen.set(idOf(key.value), text)
    entries.push({ key: key.value, value: value.value })
  }
  return entries
}

/** A map may serve several rules, so entries of another kind are no mistake, unless none at all can apply. */
function unfitEntries(name: string, rule: RuleInput, map: MapFile): (MapProblem & { file: string })[] {
  const problems = map.entries.flatMap(({ key, value, line }) => {
    const message = unfitValue(value, rule.count)
    return message === undefined ? [] : [{ file: map.name, line, column: 1, key: nameOf(key), message }]
  })
  const first = map.entries[0]
  if (first && map.entries.every(({ key }) => unfitKey(key, rule.per) !== undefined)) {
    const message = `no entry can apply to the rule ${name}: ${unfitKey(first.key, rule.per)}`
    problems.push({ file: map.name, line: first.line, column: 1, key: nameOf(first.key), message })
  }
  return problems
}

function nameOf({ kind, text }: OverrideKey): string {
  return kind === 'account' ? `account:${text}` : text
}

const NAMING: Readonly<Record<Exclude<OverrideKey['kind'], 'network'>, readonly Dimension[]>> = {
  account: ['account', 'tenant'],
  domain: ['sender', 'sender_domain', 'recipient', 'recipient_domain'],
  address: ['sender', 'sender_domain', 'recipient', 'recipient_domain', 'account', 'tenant'],
}

/** Overrides are looked up by what the rule counts per, and by the client's network. */
function unfitKey({ kind }: OverrideKey, per: readonly Dimension[]): string | undefined {
  if (kind === 'network' || per.some((dimension) => NAMING[kind].includes(dimension))) return undefined
  return `an override for ${kind === 'account' ? 'an account' : kind === 'domain' ? 'a domain' : 'an address'} can never apply, since the rule is per ${per.join(', ')}`
}

function unfitValue(value: Override, count: Count): string | undefined {
  if (value === 'exempt') return undefined
  if (count === 'sessions' && value.kind !== 'concurrency')
    return 'sessions are counted while they last: write concurrency'
  if (count !== 'sessions' && value.kind === 'concurrency')
    return 'concurrency is for count: sessions; write a rate such as 5/min'
  return undefined
}

/** Only shipped rules can be removed: anything else is a slip of the pen, and the rule that was meant would stay. */
export function mistakenRemoval(name: string): Mistake | undefined {
  const shipped = Object.keys(DEFAULTS.limits)
  if (shipped.includes(name)) return undefined
  const meant = didYouMean(name, shipped)
  const end = meant === undefined ? `: there are ${shipped.join(', ')}` : `, did you mean "${meant}"?`
  return { path: ['limits', name], at: 'key', message: `no rule of this name is shipped that could be removed${end}` }
}

/** Every text within a limit as it was written. */
function textsOf(limit: unknown): string[] {
  if (typeof limit === 'string') return [limit]
  return typeof limit === 'object' && limit !== null ? Object.values(limit).flatMap(textsOf) : []
}

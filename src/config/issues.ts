/** Puts what the schema found into words for the person who wrote the file. */
import type { core } from 'zod'
import { DEFAULTS } from './defaults'
import { CONFIG_KEYS, type SchemaKeys } from './json-schema'
import { didYouMean, pathText, type Mistake } from './problem'
import { redactKeys, redactSecrets } from './redact'

/** Nobody mends more at a time; a wrong file, pasted or copied, has tens of thousands. */
export const MOST_EXPLAINED = 100

export interface Mistakes {
  readonly mistakes: readonly Mistake[]
  /** How many there are beside these. */
  readonly more: number
}

/** The first mistakes behind a schema's issues, each once; `input` is what was checked, `keys` what may stand in it. */
export function mistakesOf(
  issues: readonly core.$ZodIssue[],
  input: unknown,
  keys: SchemaKeys = CONFIG_KEYS,
): Mistakes {
  const single = issues.flatMap((issue): core.$ZodIssue[] => {
    return issue.code === 'unrecognized_keys' ? issue.keys.map((key) => ({ ...issue, keys: [key] })) : [issue]
  })
  const explained = single.slice(0, MOST_EXPLAINED)
  const mistakes = explained.flatMap((issue) => describe(issue, [], { input, keys }))
  const once = new Map(mistakes.map((mistake) => [`${pathText(mistake.path)} ${mistake.message}`, mistake]))
  return { mistakes: gatherMissing([...once.values()]), more: single.length - explained.length }
}

/** What a rule lacks is one mistake: most of all when its name was meant to be that of a shipped rule. */
function gatherMissing(mistakes: readonly Mistake[]): Mistake[] {
  const lacking = new Map<string, string[]>()
  const others = mistakes.filter(({ path: [section, rule, key, ...rest], message }) => {
    if (section !== 'limits' || key === undefined || rest.length > 0 || !message.startsWith(MISSING)) return true
    lacking.set(String(rule), [...(lacking.get(String(rule)) ?? []), String(key)])
    return false
  })
  for (const [rule, keys] of lacking) {
    const needs = `a rule of your own needs ${keys.join(', ')} too`
    const meant = didYouMean(rule, Object.keys(DEFAULTS.limits))
    const message =
      meant === undefined ? needs : `no rule of this name is shipped, did you mean "${meant}"? Else ${needs}`
    others.push({ path: ['limits', rule], at: 'key', message })
  }
  return others
}

/** What was checked, and what may stand in it. */
interface Checked {
  readonly input: unknown
  readonly keys: SchemaKeys
}

function describe(issue: core.$ZodIssue, above: readonly PropertyKey[], checked: Checked): Mistake[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], at: 'key', message: unknownKey(key, path, checked.keys) }))
  }
  if (issue.code === 'invalid_key') return [{ path, at: 'key', message: issue.issues[0]?.message ?? issue.message }]
  const value = valueAt(checked.input, path)
  if (value === undefined) return [{ path, at: 'key', message: sayMissing(path, checked.keys) }]
  if (value === null) return [{ path, at: 'key', message: 'has no value: write one, or remove the line' }]
  if (issue.code === 'invalid_union') return describeUnion(issue, path, value, checked)
  return [{ path, at: 'value', message: sayWrong(issue, value) }]
}

const MISSING = 'is missing'

function sayMissing(path: readonly PropertyKey[], keys: SchemaKeys): string {
  const what = keys.descriptionAt(path)
  return what === undefined ? MISSING : `${MISSING}: ${what}`
}

/** Of several shapes that were allowed, the one that was probably meant speaks: the first of the right type. */
function describeUnion(
  issue: core.$ZodIssueInvalidUnion,
  path: readonly PropertyKey[],
  value: unknown,
  checked: Checked,
): Mistake[] {
  // Where a word says which shape is meant, and is none of those.
  if (issue.errors.length === 0) return [{ path, at: 'value', message: issue.message }]
  const meant = issue.errors.find((issues) => !issues.some((inner) => isOtherType(inner, value)))
  if (meant) return meant.flatMap((inner) => describe(inner, path, checked))
  const shapes = issue.errors.map((issues) => expectedOf(issues[0]!))
  return [{ path, at: 'value', message: `must be ${shapes.join(' or ')}, not ${sayValue(value)}` }]
}

function isOtherType(issue: core.$ZodIssue, value: unknown): boolean {
  if (issue.path.length > 0) return false
  if (issue.code === 'invalid_type') return true
  // A choice that is not text (false) was meant only by who wrote it.
  return issue.code === 'invalid_value' && (typeof value !== 'string' || typeof issue.values[0] !== 'string')
}

function sayWrong(issue: core.$ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_value') return sayNoneOf(value, issue.values.map(String))
  if (issue.code === 'invalid_type') {
    const bare = issue.expected === 'string' && typeof value !== 'object'
    return `must be ${expectedOf(issue)}, not ${sayValue(value)}${bare ? ': put it in quotes' : ''}`
  }
  if (issue.code === 'too_small') {
    return isSized(issue.origin) ? 'must not be empty' : `must be at least ${issue.minimum}, not ${sayValue(value)}`
  }
  if (issue.code === 'too_big') {
    const unit = issue.origin === 'string' ? 'characters' : 'entries'
    if (isSized(issue.origin)) return `is too long: at most ${issue.maximum} ${unit}`
    return `must be at most ${issue.maximum}, not ${sayValue(value)}`
  }
  return issue.message
}

function isSized(origin: string): boolean {
  return origin === 'string' || origin === 'array'
}

function sayNoneOf(value: unknown, allowed: readonly string[]): string {
  const meant = didYouMean(String(value), allowed)
  const wrong = `${sayValue(value)} is none of ${allowed.join(', ')}`
  return meant === undefined ? wrong : `${wrong}; did you mean "${meant}"?`
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list such as [a, b]',
  object: 'a section of "key: value" lines',
  record: 'a section of "key: value" lines',
}

function expectedOf(issue: core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return TYPES[issue.expected] ?? issue.expected
  return issue.code === 'invalid_value' ? issue.values.map(String).join(' or ') : issue.message
}

const MOST_SHOWN = 40

/** A value, short enough for a line; secrets are hidden before it is cut, when they can still be told. */
export function sayValue(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a section'
  const text = redactKeys(redactSecrets(JSON.stringify(value)))
  return text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN - 1)}…"`
}

function unknownKey(key: string, section: readonly PropertyKey[], keys: SchemaKeys): string {
  const known = keys.keysAt(section)
  const meant = didYouMean(key, known)
  if (meant !== undefined) return `unknown key, did you mean "${meant}"?`
  const home = section.length > 0 ? undefined : known.find((name) => keys.keysAt([name]).includes(key))
  if (home !== undefined) return `unknown key here: it belongs under ${home}`
  // Of several kinds of section, such as what answers set off.
  if (known.length === 0) return 'unknown key: remove it'
  return `unknown key: what may stand here is ${known.join(', ')}`
}

export function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<PropertyKey, unknown>)[step]
  }
  return value
}

import type { ConfigDocument, Place } from './document'
import { type ConfigProblem, pathText, type Mistake } from './problem'
import { redactKeys, redactProse } from './redact'

/** A mistake with its place in a file. */
export function locate(file: string, document: ConfigDocument, { path, at, message }: Mistake): ConfigProblem {
  // Something inherited from the defaults has no place: the nearest key above it that the file holds stands for it.
  const place = at === 'value' && document.holds(path) ? document.placeOfValue(path) : document.placeOfKey(path)
  return problemAt(file, place, pathText(path), message)
}

/**
 * Where an indent slips, anything may stand anywhere, also as a key: the password of a store, the key of a DNS list. All
 * that is said of the file goes through here, into logs and `config check --json` alike.
 */
export function problemAt(file: string, { line, column }: Place, path: string, message: string): ConfigProblem {
  const hide = (text: string) => redactProse(redactKeys(text))
  return { file, line, column, path: hide(path), message: hide(message) }
}

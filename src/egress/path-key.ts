import { keyText } from '../keys/key'
import { MAX_KEY_LENGTH } from '../store/store'

/** The text of a store key that belongs to a path: `egress_step|egress|default|google`; a long path by its digest. */
export function pathKey(rule: string, path: string): string {
  const text = `${rule}|${path}`
  return text.length <= MAX_KEY_LENGTH ? text : keyText(rule, [path])
}

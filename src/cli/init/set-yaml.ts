import { isCollection, isNode, isSeq, parseDocument, stringify } from 'yaml'

type Value = string | boolean | readonly string[]

/**
 * Sets one value of a YAML text and leaves every other character, comments and columns included, as it is. A key that
 * is not there is added.
 */
export function setYaml(text: string, path: readonly string[], value: Value): string {
  const document = parseDocument(text)
  const old = document.getIn(path, true)
  if (!isNode(old) || !old.range || (isCollection(old) && !isSeq(old))) {
    document.setIn(path, value)
    return document.toString({ lineWidth: 0 })
  }
  if (JSON.stringify(old.toJSON()) === JSON.stringify(value)) return text
  const [start, end] = old.range
  const inBlock = isSeq(old) && old.flow !== true
  const column = start - (text.lastIndexOf('\n', start - 1) + 1)
  // The range of a list in block style ends behind its last line break.
  const tail = inBlock && text[end - 1] === '\n' ? '\n' : ''
  return text.slice(0, start) + valueText(value, inBlock ? column : undefined) + tail + text.slice(end)
}

/** `column` of a list in block style; without it, on one line. */
function valueText(value: Value, column?: number): string {
  if (!Array.isArray(value)) return stringify(value).trimEnd()
  const items = (value as readonly string[]).map((item) => stringify(item).trimEnd())
  if (column === undefined || items.length === 0) {
    // In a flow list, a colon at either end of a plain text could be read as a mapping.
    return `[${items.map((item) => (item.includes(':') && !item.startsWith('"') ? `'${item}'` : item)).join(', ')}]`
  }
  return items.map((item) => `- ${item}`).join('\n' + ' '.repeat(column))
}

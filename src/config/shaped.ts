import type { z } from 'zod'
import { type ConfigDocument, readDocument } from './document'
import { mistakesOf, sayValue } from './issues'
import type { SchemaKeys } from './json-schema'
import { locate, problemAt } from './locate'
import { isSection } from './merge'
import { type ConfigProblem, byPlace } from './problem'

/** A file of lines `key: value` that has the shape that it must have. */
export interface ShapedFile<Written> {
  /** As messages name it. */
  readonly name: string
  readonly document: ConfigDocument
  readonly written: Written
}

/** The place of what concerns a file as a whole. */
export const START = { line: 1, column: 1 }

/** Reads a text of such a shape; `keys` are what may stand in it. */
export function readShaped<Schema extends z.ZodType>(
  name: string,
  text: string,
  { schema, keys }: { readonly schema: Schema; readonly keys: SchemaKeys },
): { readonly file: ShapedFile<z.output<Schema>> } | { readonly problems: readonly ConfigProblem[] } {
  const parsed = readDocument(text)
  if ('problems' in parsed) return { problems: parsed.problems.map((one) => problemAt(name, one, '', one.message)) }
  const { document } = parsed
  const value = document.value ?? {}
  if (!isSection(value)) {
    return { problems: [problemAt(name, START, '', `must be lines of "key: value", not ${sayValue(value)}`)] }
  }
  const checked = schema.safeParse(value)
  if (checked.success) return { file: { name, document, written: checked.data } }
  const { mistakes } = mistakesOf(checked.error.issues, value, keys)
  return { problems: mistakes.map((mistake) => locate(name, document, mistake)).sort(byPlace) }
}

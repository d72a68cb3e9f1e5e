/** Lays an operator's file over the defaults. */

type Section = Readonly<Record<string, unknown>>

/**
 * Sections merge key by key, and so do the maps in them (`score.weights`, a rule of `limits`), so that `sender: {limit:
 * 9/min}` changes a figure and nothing else. Everything below, and everything that is no map, is replaced whole: half a
 * limit makes none. A section or map without a value (all its lines commented out) says nothing.
 */
export function mergeConfig(defaults: Section, file: Section): Record<string, unknown> {
  return mergeSection(defaults, file, mergeMapsIn(mergeMapsIn(replace)))
}

type Merge = (key: string, shipped: unknown, own: unknown) => unknown

const replace: Merge = (_key, _shipped, own) => own

function mergeMapsIn(merge: Merge): Merge {
  return (_key, shipped, own) => (isSection(shipped) && isSection(own) ? mergeSection(shipped, own, merge) : own)
}

function mergeSection(shipped: Section, own: Section, merge: Merge): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...shipped }
  for (const [key, value] of Object.entries(own)) {
    const base = Object.hasOwn(shipped, key) ? shipped[key] : undefined
    if (value === null && isSection(base)) continue
    // Defined, not assigned: a key called __proto__ must stay a key, for the schema to refuse.
    Object.defineProperty(merged, key, { value: merge(key, base, value), enumerable: true, writable: true })
  }
  return merged
}

export function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

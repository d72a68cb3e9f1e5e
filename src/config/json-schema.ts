import { z } from 'zod'
import { DEFAULTS } from './defaults'
import { configSchema } from './schema'

/** The parts of JSON Schema (draft 2020-12) that describe the configuration. */
export interface JsonSchema {
  type?: string | string[]
  description?: string
  default?: unknown
  const?: unknown
  enum?: unknown[]
  anyOf?: JsonSchema[]
  properties?: Record<string, JsonSchema>
  additionalProperties?: boolean | JsonSchema
  items?: JsonSchema
  required?: string[]
  [keyword: string]: unknown
}

/**
 * JSON Schema of `config/sluice.yaml` as an operator writes it: units are text, and nothing is required that has a
 * default, since the file is laid over the defaults. Editors complete and check by it.
 */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema
  for (const section of Object.values(schema.properties ?? {})) relax(section)
  delete schema.required
  for (const [key, value] of Object.entries(DEFAULTS)) addDefaults(schema.properties![key]!, value)
  return { ...schema, title: 'Sluice', description: 'config/sluice.yaml of haraka-plugin-sluice' }
}

/** A file may say a part of a section: the rest comes from the defaults, for rules from the shipped one of that name. */
function relax(section: JsonSchema): void {
  if (section.type === 'object') delete section.required
  if (typeof section.additionalProperties === 'object') {
    for (const option of section.additionalProperties.anyOf ?? []) relax(option)
  }
}

function addDefaults(schema: JsonSchema, value: unknown): void {
  if (schema.properties === undefined || typeof value !== 'object' || value === null) {
    schema.default = value
    return
  }
  for (const [key, inner] of Object.entries(value)) {
    const property = schema.properties[key]
    if (property) addDefaults(property, inner)
  }
}

/** What may stand where, to explain what may not. */
export class SchemaKeys {
  private known: JsonSchema | undefined

  constructor(private readonly make: () => JsonSchema) {}

  /** The keys that may stand in the section at a path. */
  keysAt(path: readonly PropertyKey[]): string[] {
    return [...new Set(this.schemasAt(path).flatMap(({ properties }) => Object.keys(properties ?? {})))]
  }

  /** What the key at a path is for. */
  descriptionAt(path: readonly PropertyKey[]): string | undefined {
    const key = String(path.at(-1))
    return this.schemasAt(path.slice(0, -1)).find(({ properties }) => properties?.[key])?.properties?.[key]?.description
  }

  /** The schemas that may hold at a path: several where alternatives exist, none where the path leads nowhere. */
  schemasAt(path: readonly PropertyKey[]): JsonSchema[] {
    this.known ??= this.make()
    let schemas = [this.known]
    for (const step of path) {
      schemas = schemas.flatMap(alternatives).flatMap((schema) => stepInto(schema, step))
    }
    return schemas.flatMap(alternatives)
  }
}

/** Of `config/sluice.yaml`. */
export const CONFIG_KEYS = new SchemaKeys(configJsonSchema)

/** The keys that may stand in the section of `config/sluice.yaml` at a path. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  return CONFIG_KEYS.keysAt(path)
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  return schema.anyOf ? schema.anyOf.flatMap(alternatives) : [schema]
}

function stepInto({ properties, additionalProperties, items }: JsonSchema, step: PropertyKey): JsonSchema[] {
  if (typeof step === 'number') return items ? [items] : []
  const property = properties && Object.hasOwn(properties, String(step)) ? properties[String(step)] : undefined
  if (property) return [property]
  return typeof additionalProperties === 'object' ? [additionalProperties] : []
}

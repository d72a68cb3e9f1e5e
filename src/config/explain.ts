/** Shows the configuration in force, and where each value comes from. */
import { type Node, type Pair, Document, isCollection, isMap, isScalar } from 'yaml'
import { defaultText } from './compile'
import type { LoadedPolicy, Origin } from './load'
import { isSection } from './merge'
import { pathText } from './problem'
import { redactKeys, redactSecrets } from './redact'

/** The configuration in force, for programs. */
export interface Explanation {
  /** As an operator would write it, every key present. Secrets are replaced by `***`. */
  readonly config: Readonly<Record<string, unknown>>
  /** By key path: `default`, `the mode at the top`, or `config/sluice.yaml:LINE`. */
  readonly origins: Readonly<Record<string, string>>
  /** Map files in use, by rule. */
  readonly maps: Readonly<Record<string, { readonly file: string; readonly entries: number }>>
  readonly fingerprint: string
}

/** What a rule means where it says nothing; `compile.ts` does the same. */
const IMPLIED = { tiers: false, answer: 'defer', on_error: 'accept', exempt: ['trusted'] } as const

const TOP_MODE = 'the mode at the top'

export function explainPolicy(loaded: LoadedPolicy): Explanation {
  const config: Record<string, unknown> = { ...structuredClone(loaded.effective) }
  config.store = redactStore(config.store)
  const { dnsbl, automation } = config as Record<string, Record<string, unknown>>
  config.dnsbl = redactZones(dnsbl!, 'zones')
  const own = automation!.own_addresses as Record<string, unknown>
  config.automation = { ...automation, own_addresses: redactZones(own, 'lists') }
  const origins: Record<string, string> = {}
  note(origins, loaded, [], config)
  addImplied(config, origins)
  const maps = Object.fromEntries(
    [...loaded.maps].map(([rule, { name, entries }]) => [rule, { file: name, entries: entries.length }]),
  )
  return { config, origins, maps, fingerprint: loaded.fingerprint }
}

/** The same as YAML, each value with its origin in a comment. */
export function explainAsYaml(loaded: LoadedPolicy): string {
  const { config, origins, maps } = explainPolicy(loaded)
  const document = new Document(config, { aliasDuplicateObjects: false })
  annotate(document.contents, [], (path) => {
    const origin = origins[pathText(path)]
    const map = path[2] === 'overrides_file' ? maps[String(path[1])] : undefined
    return map ? `${origin}; ${map.entries} entries in ${map.file}` : origin
  })
  return document.toString({ lineWidth: 0, flowCollectionPadding: false })
}

/** Sections are walked; a list, a limit, a mode or an override is one value, with one origin. */
function isLeaf(path: readonly string[], value: unknown): boolean {
  if (!isSection(value)) return true
  return path.at(-1) === 'limit' || path.at(-1) === 'mode' || (path[2] === 'overrides' && path.length === 4)
}

function note(origins: Record<string, string>, loaded: LoadedPolicy, path: readonly string[], value: unknown): void {
  if (isLeaf(path, value) || Object.keys(value as object).length === 0) {
    origins[pathText(path)] = sayOrigin(loaded.origins.of(path))
    return
  }
  for (const [key, inner] of Object.entries(value as object)) note(origins, loaded, [...path, key], inner)
}

function sayOrigin(origin: Origin): string {
  return origin === 'default' ? origin : `${origin.file}:${origin.line}`
}

function addImplied(config: Record<string, unknown>, origins: Record<string, string>): void {
  const add = (path: string[], section: Record<string, unknown>, key: string, value: unknown, origin: string) => {
    if (Object.hasOwn(section, key)) return
    section[key] = value
    origins[pathText([...path, key])] = origin
  }
  for (const [name, rule] of Object.entries(config.limits as Record<string, unknown>)) {
    if (!isSection(rule)) continue
    add(['limits', name], rule, 'mode', config.mode, TOP_MODE)
    for (const [key, value] of Object.entries(IMPLIED)) add(['limits', name], rule, key, value, 'default')
    add(['limits', name], rule, 'text', defaultText(name), 'default')
  }
  add(['session'], config.session as Record<string, unknown>, 'mode', config.mode, TOP_MODE)
}

function redactStore(store: unknown): unknown {
  if (typeof store === 'string') return redactSecrets(store)
  return isSection(store) && typeof store.at === 'string' ? { ...store, at: redactSecrets(store.at) } : store
}

function redactZones(section: Readonly<Record<string, unknown>>, key: string): unknown {
  const zones = (section[key] as readonly { zone: string }[]).map((one) => ({ ...one, zone: redactKeys(one.zone) }))
  return { ...section, [key]: zones }
}

function annotate(
  node: Node | null,
  path: readonly string[],
  originAt: (path: readonly string[]) => string | undefined,
): void {
  const origin = originAt(path)
  if (origin !== undefined && node) {
    if (isCollection(node)) node.flow = true
    node.comment = ` ${origin}`
    return
  }
  if (!isMap(node)) return
  for (const { key, value } of node.items as Pair<Node, Node | null>[]) {
    if (isScalar(key)) annotate(value, [...path, String(key.value)], originAt)
  }
}

/**
 * Overrides: other limits for particular addresses, domains, accounts and networks. They stand inline in a rule, or in a
 * map file with one `key limit[, limit]` a line.
 */
import { domainToASCII } from 'node:url'
import type { Override, Overrides } from '../gates/limits/rule'
import { type Cidr, CidrMap, parseCidr } from '../keys/address'
import { foldSender, organisationalDomain } from '../keys/mailbox'
import { readLimit } from './limit'
import type { Read } from './units'

/** Whom an override is for. `text` is the comparable form: folded, lower case. */
export type OverrideKey =
  | { readonly kind: 'address' | 'domain' | 'account'; readonly text: string }
  | { readonly kind: 'network'; readonly text: string; readonly cidr: Cidr }

export interface OverrideEntry {
  readonly key: OverrideKey
  readonly value: Override
}

const ACCOUNT = 'account:'

/**
 * Tells what a key means: `account:NAME`, an address with `@`, a network or IP address, else a domain. Addresses are
 * folded as senders are, since that is what they are compared with.
 */
export function readOverrideKey(text: string): Read<OverrideKey> {
  if (text.startsWith(ACCOUNT)) {
    const account = text.slice(ACCOUNT.length).trim().toLowerCase()
    return account === '' ? { problem: `"${text}" names no account` } : { value: { kind: 'account', text: account } }
  }
  if (text.includes('@')) return readAddress(text)
  const cidr = parseCidr(text)
  if (cidr) return { value: { kind: 'network', text: `${cidr.bytes.join('.')}/${cidr.bits}`, cidr } }
  // A domain has neither, and a top-level domain is never a number (RFC 3696 §2): this was meant as a network.
  if (/[/:]/.test(text) || /(^|\.)\d+$/.test(text)) {
    return { problem: `"${text}" is no network: write 192.0.2.0/24, 2001:db8::/32 or a single address` }
  }
  return readDomain(text)
}

function readAddress(text: string): Read<OverrideKey> {
  const at = text.lastIndexOf('@')
  const domain = readDomain(text.slice(at + 1))
  if (at === 0) return { problem: `"${text}": for a whole domain leave out the @` }
  if ('problem' in domain) return { problem: `"${text}" is no address: ${domain.problem}` }
  return { value: { kind: 'address', text: foldSender(text.slice(0, at), domain.value.text).address } }
}

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

function readDomain(text: string): Read<OverrideKey> {
  if (/^\*?\./.test(text)) {
    const bare = text.replace(/^\*?\./, '').toLowerCase()
    const wide = organisationalDomain(bare) === bare ? ', which holds for its subdomains too' : ''
    return { problem: `"${text}": there are no wildcards, write ${bare}${wide}` }
  }
  const ascii = /[^\x20-\x7e]/.test(text) ? domainToASCII(text) : text.toLowerCase()
  const domain = ascii.replace(/\.$/, '')
  if (domain.length > 253 || !domain.split('.').every((label) => LABEL.test(label))) {
    return { problem: `"${text}" is no domain, address, network or account:NAME` }
  }
  return { value: { kind: 'domain', text: domain } }
}

/** `exempt`, or any limit that a rule may have. */
export function readOverrideValue(input: unknown): Read<Override> {
  if (input === 'exempt') return { value: 'exempt' }
  const limit = readLimit(input)
  return 'problem' in limit ? { problem: `${limit.problem}, or exempt` } : limit
}

/** One entry of a map file, with its line. */
export interface MapEntry extends OverrideEntry {
  readonly line: number
}

export interface MapProblem {
  readonly line: number
  readonly column: number
  readonly key: string
  readonly message: string
}

/** Sorted into memory by kind: beyond this an operator wants a database. */
export const MOST_MAP_ENTRIES = 200_000
/** Reading stops: somebody has named the wrong file. */
const MOST_PROBLEMS = 100

/** Reads the text of a map file. `#` begins a comment; empty lines are skipped; no key may stand there twice. */
export function parseMap(text: string): { readonly entries: MapEntry[]; readonly problems: MapProblem[] } {
  const entries: MapEntry[] = []
  const problems: MapProblem[] = []
  const lineOf = new Map<string, number>()
  const values = new Map<string, Read<Override>>()
  let line = 0
  for (const raw of text.split(/\r?\n/)) {
    line++
    const { key, value, column } = splitLine(raw)
    if (key === '') continue
    if (entries.length === MOST_MAP_ENTRIES) {
      problems.push({ line, column, key: '', message: `more than ${MOST_MAP_ENTRIES} entries: split the map` })
      break
    }
    const entry = readEntry(key, value, line, values)
    const first = 'value' in entry ? lineOf.get(idOf(entry.value.key)) : undefined
    if ('problem' in entry) problems.push({ line, column, key, message: entry.problem })
    else if (first !== undefined) problems.push({ line, column, key, message: `stands in line ${first} too: keep one` })
    else {
      entries.push(entry.value)
      lineOf.set(idOf(entry.value.key), line)
    }
    if (problems.length === MOST_PROBLEMS) break
  }
  return { entries, problems }
}

/** `key value # comment`. A `#` within a key would be part of it, so a comment needs a blank before. */
function splitLine(raw: string): { key: string; value: string; column: number } {
  const text = raw.replace(/(^|\s)#.*$/, '').trim()
  const key = /^\S*/.exec(text)![0]
  return { key, value: text.slice(key.length).trim(), column: raw.length - raw.trimStart().length + 1 }
}

/** `values` remembers what was read before: a long map has few different limits. */
function readEntry(
  keyText: string,
  valueText: string,
  line: number,
  values: Map<string, Read<Override>>,
): Read<MapEntry> {
  const key = readOverrideKey(keyText)
  if ('problem' in key) return key
  if (valueText === '') return { problem: 'a limit is missing: write "key 2000/min, 20000/h" or "key exempt"' }
  const value = values.get(valueText) ?? readMapValue(valueText)
  values.set(valueText, value)
  return 'problem' in value ? value : { value: { key: key.value, value: value.value, line } }
}

function readMapValue(text: string): Read<Override> {
  const most = /^concurrency[:=]?\s*(\d+)$/.exec(text)?.[1]
  if (most !== undefined) return readOverrideValue({ concurrency: Number(most) })
  return readOverrideValue(text === 'exempt' ? text : text.split(',').map((part) => part.trim()))
}

/** Two keys with one id mean the same correspondent. */
export function idOf({ kind, text }: OverrideKey): string {
  return `${kind} ${text}`
}

/** Sorts entries for looking up; of two with one key the later wins. */
export function buildOverrides(entries: Iterable<OverrideEntry>): Overrides {
  const addresses = new Map<string, Override>()
  const domains = new Map<string, Override>()
  const accounts = new Map<string, Override>()
  const networks: [Cidr, Override][] = []
  for (const { key, value } of entries) {
    if (key.kind === 'network') networks.push([key.cidr, value])
    else if (key.kind === 'address') addresses.set(key.text, value)
    else if (key.kind === 'account') accounts.set(key.text, value)
    else domains.set(key.text, value)
  }
  return { addresses, domains, accounts, networks: new CidrMap(networks) }
}

import { domainToASCII } from 'node:url'
import { type IpAddress, isPrivate } from '../keys/address'
import { organisationalDomain } from '../keys/mailbox'
import { isAskable } from './question'

/** What of a session a list can be asked about. */
export const LIST_PARTS = ['client', 'helo', 'sender'] as const
export type ListPart = (typeof LIST_PARTS)[number]

/** A DNS list, RFC 5782: of addresses (DNSBL, DNSWL) or of domains (RHSBL). */
export interface ListZone {
  /** What is asked; may hold the key of a paid service, so it is never shown. */
  readonly zone: string
  /** What logs, metrics and replies say instead; unlike any other zone's. */
  readonly label: string
  readonly kind: 'ip' | 'domain'
  /** A list of addresses knows clients alone; a list of domains knows the other two. */
  readonly on: readonly ListPart[]
  /** Each counts once however many records match it; a code that none matches weighs nothing. */
  readonly codes: readonly CodeWeight[]
  /** Whether a listing is reason enough to ban the client. */
  readonly ban: boolean
  /** What the list must hold for as long as it works; false when it holds no such entry. */
  readonly test: string | false
}

export interface CodeWeight {
  readonly pattern: CodePattern
  /** Added to the sum; below 0 for lists of the good. */
  readonly weight: number
}

/** A pattern of answers as postscreen(8) writes them, `127.0.0.[2..11;14]`. */
export interface CodePattern {
  readonly text: string
  /** For each of the four numbers, the ranges it may be in, ends included. */
  readonly ranges: readonly (readonly (readonly [number, number])[])[]
}

/** Every answer that is a listing, RFC 5782 §2.3. */
export const ANY_CODE: CodePattern = parseCodePattern('127.[0..255].[0..255].[0..255]')!

/** RFC 5782 §5: entries that a list must hold, and that it must not. */
export const TEST_ENTRIES = {
  ip: { listed: '127.0.0.2', unlisted: '127.0.0.1' },
  ipv6: { listed: '0:0:0:0:0:ffff:7f00:2', unlisted: '0:0:0:0:0:ffff:7f00:1' },
  domain: { listed: 'TEST', unlisted: 'INVALID' },
} as const

/** Returns undefined for text that is no pattern. */
export function parseCodePattern(text: string): CodePattern | undefined {
  const parts = /^(\d+|\[[^\]]+\])\.(\d+|\[[^\]]+\])\.(\d+|\[[^\]]+\])\.(\d+|\[[^\]]+\])$/.exec(text)
  if (!parts) return undefined
  const ranges: [number, number][][] = []
  for (const part of parts.slice(1)) {
    const choices = part.replace(/^\[|\]$/g, '').split(';')
    const read = choices.map(readRange)
    if (read.includes(undefined)) return undefined
    ranges.push(read as [number, number][])
  }
  return { text, ranges }
}

function readRange(text: string): [number, number] | undefined {
  const found = /^(\d{1,3})(?:\.\.(\d{1,3}))?$/.exec(text)
  if (!found) return undefined
  const first = Number(found[1])
  const last = Number(found[2] ?? found[1])
  return first <= last && last <= 255 ? [first, last] : undefined
}

export function matchesCode({ ranges }: CodePattern, code: string): boolean {
  const numbers = code.split('.').map(Number)
  return ranges.every((choices, index) => {
    return choices.some(([first, last]) => numbers[index]! >= first && numbers[index]! <= last)
  })
}

/**
 * Codes by which lists say that they will not answer, and that are never listings: 127.255.255.0/24 (Spamhaus: public
 * resolver, too many questions, typing error), 127.0.1.255 (Spamhaus DBL: asked for an address), 127.0.0.1 (URIBL and
 * SURBL: blocked), 127.0.0.255 and 127.0.10.3 (DNSWL: over quota).
 */
const REFUSALS: readonly CodePattern[] = ['127.255.255.[0..255]', '127.0.1.255', '127.0.0.[1;255]', '127.0.10.3'].map(
  (text) => parseCodePattern(text)!,
)

/** The record by which a list refuses to answer, or that cannot come from a list at all; undefined when all are codes. */
export function refusalIn(records: readonly string[]): string | undefined {
  return records.find((record) => {
    return !record.startsWith('127.') || REFUSALS.some((pattern) => matchesCode(pattern, record))
  })
}

/** What a zone is called in public: a first label that looks like a key is hidden. */
export function labelOf(zone: string): string {
  return zone.replace(/^[a-z0-9]{20,}(?=\.)/i, '***')
}

/** The name to ask an address list for; undefined when the address says nothing outside its own network. */
export function addressQuestion({ zone }: ListZone, address: IpAddress): string | undefined {
  return isPrivate(address) ? undefined : `${reversed(address)}.${zone}`
}

/**
 * The name to ask a domain list for: the organisational domain, which is what such lists hold; undefined for a name that
 * is no domain. Addresses are never asked: some lists take that for abuse.
 */
export function domainQuestion({ zone }: ListZone, name: string): string | undefined {
  const domain = asciiDomain(name)
  if (!isDomain(domain)) return undefined
  const question = `${organisationalDomain(domain)}.${zone}`
  return question.length <= 253 ? question : undefined
}

function asciiDomain(name: string): string {
  return domainToASCII(name.toLowerCase().replace(/\.$/, ''))
}

/** Whether it is a name of several labels, and no address. */
export function isDomain(name: string): boolean {
  const domain = asciiDomain(name)
  return isAskable(domain) && /\.[a-z0-9-]*[a-z][a-z0-9-]*$/.test(domain)
}

/** RFC 5782 §2.1 and §2.4: the numbers of an address, or the nibbles, last first: `1.2.0.192`. */
export function reversed({ family, bytes }: Pick<IpAddress, 'family' | 'bytes'>): string {
  if (family === 4) return [...bytes].reverse().join('.')
  const nibbles = bytes.flatMap((byte) => [byte >> 4, byte & 15])
  return nibbles
    .reverse()
    .map((nibble) => nibble.toString(16))
    .join('.')
}

import ipaddr from 'ipaddr.js'

/** An IP address as numbers, IPv4-mapped IPv6 (`::ffff:192.0.2.1`) unmapped. */
export interface IpAddress {
  readonly family: 4 | 6
  readonly bytes: readonly number[]
  /** Texts made of it, by length of the range or by who made them: every rule of a session asks for the same few. */
  readonly texts: Map<number | object, string>
}

/**
 * Returns undefined for text that is no IP address. IPv4 is four decimal numbers: the short, octal and hexadecimal forms
 * of inet_aton would make `10/8` the network of 0.0.0.10.
 */
export function parseIp(text: string): IpAddress | undefined {
  if (!(text.includes(':') ? ipaddr.IPv6.isValid(text) : isFourPart(text))) return undefined
  const parsed = ipaddr.process(text)
  return { family: parsed.kind() === 'ipv4' ? 4 : 6, bytes: parsed.toByteArray(), texts: new Map() }
}

/** ipaddr.js throws and catches to say no, which takes long where a whole map of domains is asked about: look first. */
function isFourPart(text: string): boolean {
  return /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) && ipaddr.IPv4.isValidFourPartDecimal(text)
}

/** An address range, its host bits cleared. */
export interface Cidr {
  readonly family: 4 | 6
  readonly bytes: readonly number[]
  readonly bits: number
}

/** Reads `192.0.2.0/24`, `2001:db8::/32`, or a single address. Returns undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const [addressText, bitsText, ...rest] = text.split('/')
  const address = addressText === undefined ? undefined : parseIp(addressText)
  if (!address || rest.length > 0) return undefined
  const most = address.family === 4 ? 32 : 128
  if (bitsText !== undefined && !/^\d{1,3}$/.test(bitsText)) return undefined
  let bits = bitsText === undefined ? most : Number(bitsText)
  // `::ffff:192.0.2.0/120` names an IPv4 range.
  if (address.family === 4 && addressText!.includes(':') && bitsText !== undefined) bits -= 96
  if (bits < 0 || bits > most) return undefined
  return { family: address.family, bytes: mask(address.bytes, bits), bits }
}

/** The range as text, as {@link parseCidr} reads it: `192.0.2.0/24`, a single address without its length. */
export function cidrText({ family, bytes, bits }: Cidr): string {
  return makePrefixText({ family, bytes, texts: new Map() }, bits)
}

/** What {@link isPrivate} knows, as ranges. */
export const PRIVATE_RANGES: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '::1',
  'fe80::/10',
  'fc00::/7',
]

/** An address that can only be one of our own: RFC 1918, loopback, link-local, unique local, shared (RFC 6598), none. */
export function isPrivate({ family, bytes }: Pick<IpAddress, 'family' | 'bytes'>): boolean {
  const [first, second] = bytes as [number, number]
  // Several plugins ask this of every client: a library that tries all ranges by name would take microseconds.
  return family === 4 ? isPrivateIpv4(first, second) : isPrivateIpv6(first, second, bytes)
}

function isPrivateIpv4(first: number, second: number): boolean {
  if (first === 0 || first === 10 || first === 127) return true
  if (first === 100) return second >= 64 && second < 128
  if (first === 169) return second === 254
  if (first === 172) return second >= 16 && second < 32
  return first === 192 && second === 168
}

function isPrivateIpv6(first: number, second: number, bytes: readonly number[]): boolean {
  if ((first & 0xfe) === 0xfc || (first === 0xfe && (second & 0xc0) === 0x80)) return true
  return bytes.every((byte, index) => byte === 0 || (index === 15 && byte === 1))
}

/** The range of `bits` bits that holds the address, as text: `192.0.2.0/24`, `2001:db8::/64`. */
export function prefixText(address: IpAddress, bits: number): string {
  let text = address.texts.get(bits)
  if (text === undefined) {
    text = makePrefixText(address, bits)
    address.texts.set(bits, text)
  }
  return text
}

function makePrefixText(address: IpAddress, bits: number): string {
  const masked = mask(address.bytes, bits)
  const most = address.family === 4 ? 32 : 128
  const text = address.family === 4 ? masked.join('.') : new ipaddr.IPv6(masked).toString()
  return bits === most ? text : `${text}/${bits}`
}

/** Values by address range; the longest range that holds an address wins. */
export class CidrMap<T> {
  /** For each family, the tables by prefix length, longest first. */
  private readonly tables: Record<4 | 6, { bits: number; ranges: Map<string, T> }[]> = { 4: [], 6: [] }

  constructor(entries: Iterable<readonly [Cidr, T]> = []) {
    for (const [cidr, value] of entries) this.set(cidr, value)
  }

  set(cidr: Cidr, value: T): void {
    const tables = this.tables[cidr.family]
    let table = tables.find((candidate) => candidate.bits === cidr.bits)
    if (!table) {
      table = { bits: cidr.bits, ranges: new Map() }
      tables.push(table)
      tables.sort((a, b) => b.bits - a.bits)
    }
    table.ranges.set(cidr.bytes.join('.'), value)
  }

  delete({ family, bits, bytes }: Cidr): void {
    const tables = this.tables[family]
    const at = tables.findIndex((candidate) => candidate.bits === bits)
    if (at < 0) return
    tables[at]!.ranges.delete(bytes.join('.'))
    // Each length costs a look at every search.
    if (tables[at]!.ranges.size === 0) tables.splice(at, 1)
  }

  find(address: IpAddress): T | undefined {
    for (const { bits, ranges } of this.tables[address.family]) {
      const value = ranges.get(mask(address.bytes, bits).join('.'))
      if (value !== undefined) return value
    }
    return undefined
  }

  /** Every range there is. */
  *ranges(): Iterable<Cidr> {
    for (const family of [4, 6] as const) {
      for (const { bits, ranges } of this.tables[family]) {
        for (const text of ranges.keys()) yield { family, bits, bytes: text.split('.').map(Number) }
      }
    }
  }

  get empty(): boolean {
    return this.tables[4].length === 0 && this.tables[6].length === 0
  }
}

function mask(bytes: readonly number[], bits: number): number[] {
  return bytes.map((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8))
    return byte & (0xff00 >> kept) & 0xff
  })
}

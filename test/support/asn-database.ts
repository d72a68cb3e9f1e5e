/**
 * A database in MaxMind's format (https://maxmind.github.io/MaxMind-DB/) that knows one IPv4 network of 24 bits, since
 * GeoLite2-ASN may not be shipped.
 */
export function asnDatabase(network: readonly [number, number, number], asn: number): Buffer {
  const bits = network.flatMap((byte) => Array.from({ length: 8 }, (_, bit) => (byte >> (7 - bit)) & 1))
  const found = bits.length + SEPARATOR.length
  const tree = bits.map((bit, node) => {
    const onward = node + 1 < bits.length ? node + 1 : found
    const records = bit === 0 ? [onward, bits.length] : [bits.length, onward]
    return Buffer.from(records.flatMap((record) => [(record >> 16) & 255, (record >> 8) & 255, record & 255]))
  })
  const data = map({ autonomous_system_number: uint(UINT32, asn, 4) })
  const metadata = map({
    node_count: uint(UINT32, bits.length, 4),
    record_size: uint(UINT16, 24, 2),
    ip_version: uint(UINT16, 4, 2),
    database_type: text('GeoLite2-ASN'),
    languages: Buffer.from([0, ARRAY - EXTENDED]),
    binary_format_major_version: uint(UINT16, 2, 2),
    binary_format_minor_version: uint(UINT16, 0, 2),
    description: map({}),
  })
  return Buffer.concat([...tree, SEPARATOR, data, MARKER, metadata])
}

const SEPARATOR = Buffer.alloc(16)
const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
const [TEXT, UINT16, UINT32, MAP, ARRAY] = [2, 5, 6, 7, 11]
/** Types above are written as 0 and what is beyond this. */
const EXTENDED = 7

function field(type: number, size: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(type << 5) | size]), bytes])
}

/** Up to 28 bytes: longer ones have their length elsewhere. */
function text(value: string): Buffer {
  return field(TEXT, value.length, Buffer.from(value))
}

function uint(type: number, value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  bytes.writeUIntBE(value, 0, size)
  return field(type, size, bytes)
}

function map(values: Readonly<Record<string, Buffer>>): Buffer {
  const entries = Object.entries(values)
  return field(MAP, entries.length, Buffer.concat(entries.flatMap(([name, value]) => [text(name), value])))
}

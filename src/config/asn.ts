import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { type AsnResponse, Reader } from 'maxmind'
import type { Policy } from './compile'

/** GeoLite2-ASN has some 10 MB; a file far beyond that is another one. */
const MOST_BYTES = 256 * 1024 ** 2

/** Tells the autonomous system (RFC 1930) of an address, from a database in MaxMind's format. */
export class AsnDatabase {
  private constructor(private readonly reader: Reader<AsnResponse>) {}

  /** Throws an Error that says what is wrong with the file. */
  static open(file: string): AsnDatabase {
    const { size } = statSync(file)
    if (size > MOST_BYTES) throw new Error(`${file} has ${size} bytes, which is no ASN database`)
    const reader = new Reader<AsnResponse>(readFileSync(file))
    if (!/asn/i.test(reader.metadata.databaseType)) {
      throw new Error(
        `${file} is a database of ${reader.metadata.databaseType}: get GeoLite2-ASN.mmdb, or another of ASNs`,
      )
    }
    return new AsnDatabase(reader)
  }

  /** `as64500`; undefined where nobody is known. */
  find(ip: string): string | undefined {
    const number = this.reader.get(ip)?.autonomous_system_number
    return number === undefined ? undefined : `as${number}`
  }
}

/** Tells the autonomous system of an address; undefined where nobody is known. */
export type FindAsn = (ip: string) => string | undefined

/** Without a database, or with one that cannot be used, nobody is known; the latter is told. */
export function asnFinder({ config }: Policy, home: string, onNotice: (message: string) => void): FindAsn {
  const { asn_database: file } = config.reputation
  if (file === false) return () => undefined
  try {
    const database = AsnDatabase.open(path.resolve(home, file))
    return (ip) => database.find(ip)
  } catch (error) {
    onNotice(`reputation: no providers are told apart, ${error instanceof Error ? error.message : String(error)}`)
    return () => undefined
  }
}

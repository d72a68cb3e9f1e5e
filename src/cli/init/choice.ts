import { type Cidr, parseCidr } from '../../keys/address'
import { parseStoreSpec } from '../../store/open-store'
import { endpointText, readEndpoint } from '../endpoint'
import { CliError } from '../terminal'

/** Options of `sluice init` as typed. */
export interface RawChoice {
  readonly smtp: string
  readonly http: string
  readonly store: string
  readonly domain: string
  readonly trusted: string
  readonly mode: string
  readonly nodes: string
}

/** The same, checked. */
export interface Choice {
  /** `HOST:PORT` as Haraka's smtp.ini wants it. */
  readonly smtp: string
  readonly http: string | false
  readonly store: string
  readonly domain: string
  /** Always with `/BITS`, the only form that Haraka's relay plugin reads right for both families. */
  readonly trusted: readonly string[]
  readonly mode: string
  readonly nodes: string
}

/** Throws a usage error that names the option. */
export function readChoice(raw: RawChoice): Choice {
  const smtp = endpointText(readEndpoint('--smtp', raw.smtp))
  const http = raw.http === 'none' ? false : endpointText(readEndpoint('--http', raw.http))
  if (http === smtp) throw new CliError(`--http ${http} is where --smtp listens: give it a port of its own`, 2)
  return {
    smtp,
    http,
    store: readStore(raw.store),
    domain: readDomain(raw.domain),
    trusted: readTrusted(raw.trusted),
    mode: raw.mode,
    nodes: readNodes(raw.nodes),
  }
}

function readStore(text: string): string {
  try {
    parseStoreSpec(text)
    return text
  } catch (error) {
    throw new CliError(`--store: ${(error as Error).message}`, 2)
  }
}

function readDomain(text: string): string {
  const domain = text.toLowerCase()
  if (/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(domain))
    return domain
  throw new CliError(`--domain "${text}" is no domain: write it as in a mail address, such as example.com`, 2)
}

function readTrusted(text: string): string[] {
  if (text === 'none' || text.trim() === '') return []
  return text.split(',').map((part) => {
    const range = parseCidr(part.trim())
    if (range) return cidrText(part.trim(), range)
    throw new CliError(`--trusted "${part}" is no network: write 192.0.2.0/24 or 2001:db8::/32, commas between`, 2)
  })
}

function cidrText(text: string, { bits }: Cidr): string {
  return text.includes('/') ? text : `${text}/${bits}`
}

function readNodes(text: string): string {
  if (text === 'cpus' || (/^\d{1,3}$/.test(text) && Number(text) <= 128)) return text
  throw new CliError(`--nodes "${text}": write 0 to 128, or cpus`, 2)
}

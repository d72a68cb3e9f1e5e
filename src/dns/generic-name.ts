import { getDomain } from 'tldts'
import type { IpAddress } from '../keys/address'

/** Words by which providers name the lines of their customers; as a whole word, figures apart. */
const POOL_WORDS: ReadonlySet<string> = new Set(
  [
    'dyn dynamic dynamicip dynip dynamicaddress ipdyn dhcp dip pool pools ppp pppoe pptp dialup dialin dial dialer',
    'dsl adsl vdsl sdsl xdsl hdsl shdsl dsldyn adsldyn cable cablemodem cpe catv docsis hfc modem modemcable',
    'broadband bband fttb fttc fttdp ftth fttx gpon xpon pon wimax umts gprs cdma lte cgn cgnat nat hsd res',
    'residential dynpool ippool adslpool dslpool dialuppool unassigned unused',
  ].flatMap((line) => line.split(' ')),
)
/** Fixed lines of businesses are named by their address too, and servers stand there. */
const FIXED_WORDS: ReadonlySet<string> = new Set([
  'static',
  'statics',
  'staticip',
  'sta',
  'fixed',
  'fix',
  'business',
  'biz',
])

/**
 * Whether a name looks like one that a provider gives to each address of a pool: it says the address, or a word for
 * such lines, in front of the organisational domain. Names that say `static` need such a word. Linear in the length of the
 * name, which DNS bounds.
 */
export function isGenericName(name: string, address: IpAddress): boolean {
  const lower = name.toLowerCase()
  // A provider's suffix for customers (`compute-1.amazonaws.com`) is part of what it says, not a domain of theirs.
  const organisation = getDomain(lower, { validateHostname: false }) ?? lower
  const host = lower.slice(0, Math.max(0, lower.length - organisation.length - 1))
  if (host === '') return false
  const words = host.match(/[a-z]+/g) ?? []
  if (words.some((word) => POOL_WORDS.has(word))) return true
  if (words.some((word) => FIXED_WORDS.has(word))) return false
  return address.family === 4 ? saysIpv4(host, address.bytes) : saysIpv6(host, address.bytes)
}

function saysIpv4(host: string, bytes: readonly number[]): boolean {
  const numbers = (host.match(/\d+/g) ?? []).map(trimZeros)
  const octets = bytes.map(String)
  const backwards = [...octets].reverse()
  // Three of the four in a row are enough: some leave the first or the last to the domain.
  const runs = [octets.slice(0, 3), octets.slice(1), backwards.slice(0, 3), backwards.slice(1)]
  const text = `.${numbers.join('.')}.`
  if (runs.some((run) => text.includes(`.${run.join('.')}.`))) return true
  const padded = bytes.map((byte) => String(byte).padStart(3, '0'))
  const hex = hexOf(bytes)
  const hexBackwards = hexOf([...bytes].reverse())
  const whole = [hex, hexBackwards, padded.join(''), [...padded].reverse().join('')]
  return whole.some((form) => host.includes(form))
}

function saysIpv6(host: string, bytes: readonly number[]): boolean {
  const nibbles = hexOf(bytes)
  const digits = host.replace(/[^0-9a-f]/g, '')
  const backwards = [...nibbles].reverse().join('')
  if (digits.includes(nibbles) || digits.includes(backwards)) return true
  // The second half alone, when it is more than a short number that a person chose.
  const half = nibbles.slice(16)
  if (/^0{8}/.test(half)) return saysGroups(host, nibbles)
  return digits.includes(half) || digits.includes(backwards.slice(0, 16)) || saysGroups(host, nibbles)
}

/** `2001-db8--1-2` and `2001-db8-0-0-0-0-1-2`: at least the network and the last group, in order. */
function saysGroups(host: string, nibbles: string): boolean {
  const said = (host.match(/[0-9a-f]+/g) ?? []).map(trimZeros)
  const groups = (nibbles.match(/.{4}/g) ?? []).map(trimZeros).filter((group) => group !== '0')
  const text = `.${said.filter((group) => group !== '0').join('.')}.`
  return groups.length >= 3 && text.includes(`.${groups.join('.')}.`)
}

function hexOf(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('hex')
}

function trimZeros(number: string): string {
  return number.replace(/^0+(?=.)/, '')
}

import { type IpAddress, parseIp, prefixText } from '../keys/address'
import { organisationalDomain } from '../keys/mailbox'
import type { ReverseFacts } from './reverse'

/**
 * What is odd about the name that a client gives at HELO (RFC 5321 §4.1.1.1 and §4.1.4: a reason to doubt, by itself no
 * reason to refuse). `address`: an address that is not its own. `bare`: no domain. `ours`: our name. `mismatch`: has
 * nothing to do with any name of its address.
 */
export type HeloFault = 'address' | 'bare' | 'ours' | 'mismatch'

export interface HeloFacts {
  readonly helo: string
  readonly client: IpAddress
  /** Names by which we greet. */
  readonly ownNames: readonly string[]
  /** Undefined when nobody has looked. */
  readonly reverse: ReverseFacts | undefined
}

/** Returns the gravest fault, or undefined. */
export function heloFault({ helo, client, ownNames, reverse }: HeloFacts): HeloFault | undefined {
  const name = helo.toLowerCase().replace(/\.$/, '')
  const literal = readLiteral(name)
  if (literal !== undefined) return literal === 'other' || !isSame(literal, client) ? 'address' : undefined
  if (ownNames.some((own) => own.toLowerCase() === name)) return 'ours'
  if (!name.includes('.')) return 'bare'
  return reverse && isMismatch(name, reverse) ? 'mismatch' : undefined
}

/** Reads `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3), and an address without brackets, which some send. */
function readLiteral(name: string): IpAddress | 'other' | undefined {
  const inner = /^\[(?:ipv6:)?([^[\]]*)\]$/.exec(name)?.[1]
  return parseIp(inner ?? name) ?? (inner === undefined ? undefined : 'other')
}

function isSame(one: IpAddress, other: IpAddress): boolean {
  const bits = one.family === 4 ? 32 : 128
  return one.family === other.family && prefixText(one, bits) === prefixText(other, bits)
}

function isMismatch(helo: string, { state, names }: ReverseFacts): boolean {
  if (state !== 'named') return false
  const organisation = organisationalDomain(helo)
  return !names.some((name) => name === helo || organisationalDomain(name) === organisation)
}

import { type Cidr, parseCidr, prefixText } from '../../keys/address'
import { foldSender, organisationalDomain } from '../../keys/mailbox'
import { NETWORK_TIER } from '../../gates/limits/rule'
import { oneLine } from '../../telemetry/escape'
import { CliError } from '../terminal'

/** Whom a person means. */
export type Who =
  /** As greylisting tells clients apart: a /24 or /64. */
  | { readonly kind: 'network'; readonly network: string }
  /** A folded address, of a sender or a recipient. */
  | { readonly kind: 'mailbox'; readonly address: string }
  /** A name as it was written, and the domain that SPF would prove for it. */
  | { readonly kind: 'domain'; readonly name: string; readonly organisation: string }

const LABELS = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/
const LITERAL = /^\[[0-9a-f:.]{2,60}\]$/
const LOCAL = /^[^\s\p{C}]{1,128}$/u

/** Throws a {@link CliError} for whatever greylisting cannot know, lest it seem to be done. */
export function readWho(input: string): Who {
  const text = input.trim().toLowerCase()
  const range = parseCidr(text)
  if (range) return { kind: 'network', network: networkOf(range, text) }
  const at = text.lastIndexOf('@')
  const domain = text.slice(at + 1)
  if (at < 0 && LABELS.test(domain) && domain.includes('.')) {
    return { kind: 'domain', name: domain, organisation: organisationalDomain(domain) }
  }
  if (at > 0 && LOCAL.test(text.slice(0, at)) && (LABELS.test(domain) || LITERAL.test(domain))) {
    return { kind: 'mailbox', address: foldSender(text.slice(0, at), domain).address }
  }
  const how = 'write an address (someone@example.com), a domain (example.com) or an IP address (192.0.2.7)'
  throw new CliError(`"${oneLine(input.slice(0, 100))}" is nobody that greylisting knows: ${how}`)
}

function networkOf({ family, bytes, bits }: Cidr, text: string): string {
  const width = family === 4 ? NETWORK_TIER.bits4 : NETWORK_TIER.bits6
  if (bits < width) {
    throw new CliError(
      `${text} is wider than greylisting tells clients apart, /${NETWORK_TIER.bits4} and /${NETWORK_TIER.bits6}: ` +
        'name one of those, or list it under greylist.allow in config/sluice.yaml',
    )
  }
  return prefixText({ family, bytes, texts: new Map() }, width)
}

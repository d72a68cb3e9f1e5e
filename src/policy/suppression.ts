import { keyText } from '../keys/key'

export const SUPPRESSION_REASONS = ['hard_bounce', 'complaint', 'unsubscribe', 'manual'] as const
export type SuppressionReason = (typeof SUPPRESSION_REASONS)[number]

/** An address that no mail is sent to, by nobody here or by one tenant. */
export interface Suppression {
  /** In normal form, see `feedback/suppression.ts`. */
  readonly address: string
  /** Whose mail it is kept from; undefined: everybody's. */
  readonly tenant: string | undefined
  readonly reason: SuppressionReason
  /** What somebody said, in one line; may be empty. */
  readonly detail: string
  /** Milliseconds since 1970, as is `until`. */
  readonly since: number
  readonly until: number
  /** Who says so: `feedback`, `operator`, `import` … One token. */
  readonly by: string
}

const SAID: Readonly<Record<SuppressionReason, string>> = {
  hard_bounce: 'its host has refused mail to it for good',
  complaint: 'its owner has complained',
  unsubscribe: 'its owner has unsubscribed',
  manual: 'by order of the administrator',
}
/** An SMTP reply has 512 octets (RFC 5321 §4.5.3.1.5), and the reference follows. */
const MOST_ADDRESS = 120
const MOST_DETAIL = 100

export const SUPPRESSION_PREFIX = 'suppress'

/** Names it in the store. No tenant can be taken for everybody. */
export function suppressionKey(address: string, tenant: string | undefined): string {
  return keyText(SUPPRESSION_PREFIX, tenant === undefined ? ['g', address] : ['t', tenant, address])
}

/**
 * Whether it keeps this message away. A bounce (null sender) tells somebody what became of his own message, whatever he has
 * complained about or unsubscribed from; it is kept only from a mailbox that is not there, for everybody.
 */
export function holdsFor({ reason, tenant }: Suppression, isBounce: boolean): boolean {
  return !isBounce || (reason === 'hard_bounce' && tenant === undefined)
}

/** Why, and what to type to undo it; printable ASCII of bounded length. */
export function saySuppression({ address, tenant, reason, detail, since }: Suppression): string {
  const who = ascii(address)
  const isShort = address.length <= MOST_ADDRESS
  const said = detail === '' ? '' : ` (${ascii(detail).slice(0, MOST_DETAIL)})`
  const whose = tenant === undefined ? '' : ` --tenant ${ascii(tenant).slice(0, MOST_ADDRESS)}`
  const undo = `sluice suppress remove ${isShort ? who : 'ADDRESS'}${whose}`
  const name = isShort ? who : `${who.slice(0, MOST_ADDRESS)}...`
  return `${name} is suppressed since ${dayOf(since)}: ${SAID[reason]}${said}. To undo: ${undo}`
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

function ascii(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, '?')
}

import { domainToASCII } from 'node:url'
import { unquote } from '../keys/mailbox'
import { SUPPRESSION_REASONS, type Suppression, type SuppressionReason, suppressionKey } from '../policy/suppression'
import type { StoredRecord } from '../store/store'

/** RFC 5321 §4.5.3.1; in UTF-8 octets. */
const MOST_LOCAL = 64
const MOST_DOMAIN = 253
const MOST_TENANT = 320
/** Characters: what a server has said, not all that it can say. */
export const MOST_DETAIL = 200
/** Until no clock of ours matters any more. */
export const MOST_KEPT_MS = 20 * 365 * 86_400_000
const BY = /^[a-z0-9][a-z0-9_.-]{0,39}$/
const DOMAIN = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/

/** What somebody has to say of an address. */
export interface NewSuppression {
  readonly address: string
  readonly tenant?: string | undefined
  readonly reason: SuppressionReason
  readonly detail?: string | undefined
  /** Milliseconds since 1970; now, unless said otherwise. */
  readonly since?: number | undefined
  /** The same; as long as its reason is kept, unless said otherwise. */
  readonly until?: number | undefined
  readonly by: string
}

/** How long each reason is kept, in milliseconds. */
export type KeptFor = Readonly<Record<SuppressionReason, number>>

export type ReadSuppression = { readonly entry: Suppression } | { readonly problem: string }

/**
 * The normal form of an address: `"Ann"@Example.COM.` is `ann@example.com`. RFC 5321 §2.4 lets hosts tell `A` from `a`; that
 * somebody is written to whose address is suppressed in other letters is worse than the other way round. A subaddress
 * (`ann+news`) stays what it is: it may be refused while `ann` is not. Undefined for what is no address.
 */
export function normalAddress(text: string): string | undefined {
  const at = text.lastIndexOf('@')
  const local = unquote(text.slice(0, Math.max(0, at)))
    .normalize('NFC')
    .toLowerCase()
  const written = text.slice(at + 1).replace(/\.$/, '')
  const domain = (/[^\x20-\x7e]/.test(written) ? domainToASCII(written) : written).toLowerCase()
  if (at < 1 || local === '' || Buffer.byteLength(local) > MOST_LOCAL || /[\p{C}\p{Z}]/u.test(local)) return undefined
  const isLiteral = /^\[[0-9a-z.:-]{2,60}\]$/.test(domain)
  return (DOMAIN.test(domain) && domain.length <= MOST_DOMAIN) || isLiteral ? `${local}@${domain}` : undefined
}

/** Text of others in one line of bounded length, without what acts in a terminal or turns the direction of writing. */
export function cleanDetail(text: string): string {
  const clean = text.replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim()
  return Array.from(clean).slice(0, MOST_DETAIL).join('').trim()
}

/** Makes an entry of what somebody says, or says what is wrong with it. */
export function readSuppression(said: NewSuppression, kept: KeptFor, now: number): ReadSuppression {
  const { reason, by, since = now } = said
  const address = normalAddress(said.address.trim())
  if (address === undefined) return { problem: `${JSON.stringify(said.address.slice(0, 100))} is no mail address` }
  const tenant = readTenant(said.tenant)
  if (tenant === null) return { problem: `${JSON.stringify(said.tenant?.slice(0, 100))} is no tenant` }
  if (!SUPPRESSION_REASONS.includes(reason)) {
    return { problem: `${JSON.stringify(reason)} is no reason: write one of ${SUPPRESSION_REASONS.join(', ')}` }
  }
  if (!BY.test(by)) return { problem: `${JSON.stringify(by)} is no name of who says so: one word in lower case` }
  const until = Math.min(said.until ?? since + kept[reason], now + MOST_KEPT_MS)
  if (!Number.isFinite(since) || !Number.isFinite(until)) return { problem: 'its times are none' }
  return { entry: { address, tenant, reason, detail: cleanDetail(said.detail ?? ''), since, until, by } }
}

/** Tenants are compared as the configuration writes them; null for what is none. */
function readTenant(text: string | undefined): string | undefined | null {
  const tenant = text?.trim()
  if (tenant === undefined || tenant === '') return undefined
  return tenant.length <= MOST_TENANT && !/[\p{C}]/u.test(tenant) ? tenant : null
}

/** As it lies in the store. The key alone would not tell a long address. */
export function recordOf({ address, tenant, reason, detail, since, until, by }: Suppression): StoredRecord {
  const text = JSON.stringify({ a: address, t: tenant, r: reason, d: detail || undefined, s: since, b: by })
  return { key: suppressionKey(address, tenant), text, expiresAt: until }
}

/** Undefined for what is no entry, or of a later release. */
export function entryOf({ text, expiresAt }: StoredRecord): Suppression | undefined {
  try {
    const { a, t, r, d = '', s, b } = JSON.parse(text) as Partial<Record<string, unknown>>
    const reason = SUPPRESSION_REASONS.find((one) => one === r)
    if (typeof a !== 'string' || reason === undefined || typeof d !== 'string') return undefined
    if (typeof s !== 'number' || typeof b !== 'string' || (t !== undefined && typeof t !== 'string')) return undefined
    return { address: a, tenant: t, reason, detail: d, since: s, until: expiresAt, by: b }
  } catch {
    return undefined
  }
}

import { getDomain } from 'tldts'

/** An envelope address made comparable. */
export interface Mailbox {
  /** `local@domain`, both in lower case, tags and rewriting removed; `<>` for the null sender. */
  readonly address: string
  /** Domain in lower case; empty for the null sender. */
  readonly domain: string
  /** Organisational domain by the Public Suffix List (`mail.example.co.uk` → `example.co.uk`); the domain itself when it has none. */
  readonly organisation: string
}

export const NULL_SENDER: Mailbox = { address: '<>', domain: '', organisation: '' }

/**
 * Folds a sender so that one correspondent has one key however its server tags the address.
 * The local part is compared without case: RFC 5321 §2.4 lets hosts tell `A` from `a`, none that matter do, and rotating
 * the case must not gain a fresh quota.
 */
export function foldSender(local: string, domain: string): Mailbox {
  if (local === '' && domain === '') return NULL_SENDER
  return mailbox(foldSenderLocal(unquote(local).toLowerCase()), domain)
}

/** Folds a recipient: case and `+ext` only, since VERP, SRS and BATV are sender conventions. */
export function foldRecipient(local: string, domain: string): Mailbox {
  return mailbox(dropExtension(unquote(local).toLowerCase()), domain)
}

/** Organisational domain, private suffixes included, so that tenants of a shared suffix do not share a key. Cached. */
export function organisationalDomain(domain: string): string {
  let known = organisations.get(domain)
  if (known === undefined) {
    known = getDomain(domain, { allowPrivateDomains: true, validateHostname: false }) ?? domain
    // Attackers choose these names: start over rather than grow.
    if (organisations.size >= MAX_ORGANISATIONS) organisations.clear()
    organisations.set(domain, known)
  }
  return known
}

const MAX_ORGANISATIONS = 10_000
const organisations = new Map<string, string>()

function mailbox(local: string, domain: string): Mailbox {
  const host = domain.toLowerCase().replace(/\.$/, '')
  return { address: `${local}@${host}`, domain: host, organisation: organisationalDomain(host) }
}

/**
 * Bounce Address Tag Validation: `prvs=0123abcdef=local` (draft-levine-smtp-batv), in its first draft `prvs=local/tag`,
 * and the same of Barracuda: `btv1==0123abcdefa==local`. A tag is a key number, the day modulo 1000 and a hash.
 */
const BATV = /^prvs=\d{4}[0-9a-f]{6}=(.+)$/
const BATV_TAG_LAST = /^prvs=(.+)[=/]\d{4}[0-9a-f]{6}$/
/** What others make of it: gateways sign with tags of other lengths. */
const BATV_LIKE = /^prvs=[0-9a-f]{6,16}=(.+)$/
const BARRACUDA = /^btv1==[0-9a-f]{6,16}==(.+)$/
/** Sender Rewriting Scheme: `SRS0=hash=tt=domain=local` and `SRS1=hash=forwarder==hash=tt=domain=local`. */
const SRS0 = /^srs0[=+-][^=]{2,64}=[^=]{1,8}=([^=]+)=(.+)$/
const SRS1 = /^srs1[=+-][^=]{2,64}=([^=]+)=[=+-][^=]{2,64}=[^=]{1,8}=([^=]+)=(.+)$/
/** Wrappings that are taken off, outermost first. Real mail has two or three; who nests more gains nothing he could not have. */
const MOST_WRAPPINGS = 4

/** All patterns are anchored, with disjoint classes: linear in the length, which RFC 5321 bounds and Haraka enforces. */
function foldSenderLocal(local: string, wrappings = MOST_WRAPPINGS): string {
  if (wrappings > 0) {
    const batv = BATV.exec(local) ?? BATV_TAG_LAST.exec(local) ?? BATV_LIKE.exec(local) ?? BARRACUDA.exec(local)
    if (batv) return foldSenderLocal(batv[1]!, wrappings - 1)
    const srs0 = SRS0.exec(local)
    if (srs0) return `srs=${srs0[1]}=${foldSenderLocal(srs0[2]!, wrappings - 1)}`
    const srs1 = SRS1.exec(local)
    if (srs1) return `srs=${srs1[2]}=${foldSenderLocal(srs1[3]!, wrappings - 1)}`
  }
  return dropExtension(dropVerp(local))
}

/** Variable envelope return path: `list-bounces-user=example.com` → `list`. The first separator counts, since users have dashes too. */
function dropVerp(local: string): string {
  const equals = local.lastIndexOf('=')
  if (equals < 0 || local.indexOf('.', equals) < 0) return local
  const separator = local.search(/[-+]/)
  return separator > 0 && separator < equals ? local.slice(0, separator) : local
}

/** `"user"` is the mailbox `user` (RFC 5321 §4.1.2): quoting must not gain a fresh quota. */
export function unquote(local: string): string {
  return local.length > 2 && local.startsWith('"') && local.endsWith('"')
    ? local.slice(1, -1).replace(/\\(.)/gs, '$1')
    : local
}

/** `user+anything` → `user`; a local part that begins with `+` is kept. */
function dropExtension(local: string): string {
  const plus = local.indexOf('+')
  return plus > 0 ? local.slice(0, plus) : local
}

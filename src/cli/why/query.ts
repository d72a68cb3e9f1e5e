import { CidrMap, parseCidr, parseIp, prefixText } from '../../keys/address'
import { foldRecipient, foldSender } from '../../keys/mailbox'
import type { DecisionRecord, RecordedDecision } from '../../telemetry/decision-record'
import type { DeliveryRecord } from '../../telemetry/delivery-record'

/** What somebody asks about, made comparable with the delivery log. */
export interface AttemptQuery {
  readonly containsAny?: readonly string[]
  readonly matches: (record: DeliveryRecord) => boolean
}

/** A message by the name of its file, or those of a session, transaction or delivery by Haraka's id. */
export type MessageName = { readonly file: string } | { readonly id: string }

/** What somebody asks about, made comparable with the decision log. */
export interface Query {
  /** As the answer calls it. */
  readonly text: string
  /** It reads like a reference, and may also be a name. */
  readonly isReference?: boolean
  /** It names a message, or those of one session: whatever became of it is wanted. */
  readonly message?: MessageName
  readonly containsAny?: readonly string[]
  readonly matches: (record: DecisionRecord) => boolean
  /** The decisions of a record that are meant; all of them where this is absent. */
  readonly picks?: (decision: RecordedDecision) => boolean
  readonly attempts: AttemptQuery
}

/** `…, try again in 5 minutes (sluice sender 7KQ2XYZ)`: people paste the whole reply. */
const REPLY = /\(sluice [a-z0-9_]+ ([0-9a-z]{7})\)/i
const REFERENCE = /^[0-9A-HJKMNP-TV-Z]{7}$/
/** `1785849725000_aBcDeF`, by which logs name a message, and the whole name of its file, which changes with every attempt. */
const QUEUE_FILE = /^(?:.*\/)?(\d{13})_(?:\d{13}_\d+_\d+_([A-Za-z0-9]+)_\d+_[^/]+|([A-Za-z0-9]+))$/
const HARAKA_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:\.\d+)*$/i

/**
 * Reads a reference, an address, an IP address or a network; also a reply that holds a reference, Haraka's id of a
 * session, a transaction or a delivery, the name of a queue file, a store key or a path, a domain, a host that mail goes to, an
 * account, a provider. Undefined for empty text.
 */
export function readQuery(input: string): Query | undefined {
  const text = (REPLY.exec(input)?.[1] ?? input).trim()
  if (text === '') return undefined
  if (text.includes('|')) return keyQuery(text)
  if (text === '<>' || text.includes('@')) return addressQuery(text)
  return networkQuery(text) ?? idQuery(text) ?? fileQuery(text) ?? referenceQuery(text) ?? nameQuery(text)
}

function keyQuery(key: string): Query {
  const picks = (decision: RecordedDecision) => decision.key === key
  return {
    text: key,
    containsAny: [key],
    matches: ({ decisions }) => decisions.some(picks),
    picks,
    attempts: { containsAny: [key], matches: ({ path }) => path === key },
  }
}

/** The log holds folded addresses, and who asks has the one that the client wrote. */
function addressQuery(input: string): Query {
  const text = (/^<(.+)>$/.exec(input)?.[1] ?? input).toLowerCase()
  const at = text.lastIndexOf('@')
  const forms = formsOf(text)
  const isMeant = (value: string | undefined) => value !== undefined && forms.includes(value)
  return {
    text,
    containsAny: forms,
    matches: ({ sender, recipient, account }) => isMeant(sender) || isMeant(recipient) || isMeant(account),
    attempts: {
      // What is sent on keeps its tags, and must be folded to be compared.
      containsAny: [at < 0 ? text : text.slice(at)],
      matches: ({ sender, recipients }) =>
        formsOf(sender).some(isMeant) || recipients.some((recipient) => formsOf(recipient).some(isMeant)),
    },
  }
}

/** As it is written, and folded as a sender and as a recipient. */
function formsOf(text: string): string[] {
  const at = text.lastIndexOf('@')
  const [local, domain] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)]
  const folds = at < 0 ? [] : [foldSender(local, domain).address, foldRecipient(local, domain).address]
  return [...new Set([text, ...folds])]
}

function networkQuery(text: string): Query | undefined {
  const address = parseIp(text)
  if (address) {
    const canonical = prefixText(address, address.family === 4 ? 32 : 128)
    return {
      text: canonical,
      containsAny: [canonical],
      matches: ({ ip }) => ip === canonical,
      attempts: { containsAny: [canonical], matches: ({ ip }) => ip === canonical },
    }
  }
  const range = parseCidr(text)
  if (!range) return undefined
  const map = new CidrMap([[range, true]])
  const holds = (ip: string) => {
    const parsed = parseIp(ip)
    return parsed !== undefined && map.find(parsed) === true
  }
  return {
    text,
    matches: ({ ip }) => holds(ip),
    attempts: { matches: ({ ip }) => ip !== undefined && holds(ip) },
  }
}

/** A session's id finds its transactions too, and theirs the deliveries: each adds `.1`, `.2`. */
function idQuery(input: string): Query | undefined {
  if (!HARAKA_ID.test(input)) return undefined
  const text = input.toUpperCase()
  const isMeant = ({ id }: { readonly id: string }) => id === text || id.startsWith(`${text}.`)
  return {
    text,
    message: { id: text },
    containsAny: [text],
    matches: isMeant,
    attempts: { containsAny: [text], matches: isMeant },
  }
}

/** Only attempts know their file. */
function fileQuery(input: string): Query | undefined {
  const [, queuedAt, unique, rest] = QUEUE_FILE.exec(input) ?? []
  if (queuedAt === undefined) return undefined
  const text = `${queuedAt}_${unique ?? rest}`
  return {
    text,
    message: { file: text },
    containsAny: [text],
    matches: () => false,
    attempts: { containsAny: [text], matches: ({ file }) => file === text },
  }
}

/** Crockford's base 32 is read without case, `O` as 0, `I` and `L` as 1. An account may look the same. */
function referenceQuery(input: string): Query | undefined {
  const text = input.toUpperCase().replaceAll('O', '0').replace(/[IL]/g, '1')
  if (!REFERENCE.test(text)) return undefined
  const name = nameQuery(input)
  const picks = (decision: RecordedDecision) => decision.ref === text
  const isNamed = (record: DecisionRecord) => record.decisions.some(picks)
  return {
    text,
    isReference: true,
    containsAny: [text, ...name.containsAny],
    matches: (record) => isNamed(record) || name.matches(record),
    picks,
    // A provider's name may read like one.
    attempts: name.attempts,
  }
}

/** A domain, an account or a tenant; of attempts also a provider or a host. */
function nameQuery(input: string): Query & { readonly containsAny: readonly string[] } {
  const text = input.toLowerCase()
  const isIn = (address: string | undefined) => address?.endsWith(`@${text}`) === true
  return {
    text,
    containsAny: [text],
    matches: ({ account, tenant, sender, recipient }) =>
      account === text || tenant === text || isIn(account) || isIn(sender) || isIn(recipient),
    attempts: {
      containsAny: [text],
      matches: ({ domain, provider, host, tenant, sender, recipients }) =>
        [domain, provider, host, tenant].includes(text) || isIn(sender) || recipients.some(isIn),
    },
  }
}

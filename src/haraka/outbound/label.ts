import { MAIL_CLASSES, type MailClass } from '../../egress/fair-queue'
import { type Classified, classify } from '../../egress/mail-class'
import type { HookBody } from '../guard'
import type { Runtime } from '../runtime'
import { accountOf, tenantOf } from '../subject'
import type { Connection, Transaction } from '../types'

/** Whose a message is and how urgent: what its delivery must know of its submission. */
export interface Label {
  readonly mailClass: MailClass
  readonly tenant: string | undefined
  readonly account: string | undefined
}

/** Haraka writes the notes of a transaction into the queue file as JSON, so what stands there survives a restart. */
const NOTE = 'sluice'
/** The longest address there is, RFC 5321 §4.5.3.1. */
const MOST_NAME = 320
const MOST_SHOWN = 60

/**
 * Body of hook data_post, before anything is signed: labels the message and takes the header field off it, whoever has
 * written it, since the next server may believe it. A message that is not sent on keeps its label for nothing.
 */
export const labelMessage: HookBody<Runtime> = (runtime, connection) => {
  const { transaction } = connection
  if (!transaction) return undefined
  const { policy } = runtime
  const isTrusted = runtime.sessions.of(connection).client.trusted || isListedRelay(connection)
  const { classified, header } = labelSubmission({ connection, transaction, isTrusted, policy })
  if (classified.ignored !== undefined && header !== undefined) {
    const value = JSON.stringify(header.slice(0, MOST_SHOWN))
    const line = `[sluice] ${policy.egress.classes.header}: ${value} is ignored: ${WHY[classified.ignored]}`
    // Any stranger can write one: that is no news.
    if (classified.ignored === 'stranger') connection.logdebug(line)
    else connection.lognotice(`${line}; it is ${classified.mailClass}`)
  }
  return undefined
}

const WHY: Readonly<Record<NonNullable<Classified['ignored']>, string>> = {
  stranger: 'the client is neither logged in nor trusted',
  unknown: `write one of ${MAIL_CLASSES.join(', ')}`,
  above: 'more urgent than egress in sluice.yaml lets its account or tenant be',
}

export interface Submission {
  readonly connection: Connection
  readonly transaction: Transaction
  readonly isTrusted: boolean
  readonly policy: Pick<Runtime['policy'], 'egress' | 'tenants'>
}

/** Sets the note and removes the header field; returns what was decided, and what the field said. */
export function labelSubmission({ connection, transaction, isTrusted, policy }: Submission): {
  readonly classified: Classified
  readonly header: string | undefined
} {
  const rules = policy.egress.classes
  const account = accountOf(connection)
  const tenant = account === undefined ? undefined : tenantOf(account, policy.tenants)
  const header = rules.header === undefined ? undefined : takeHeader(transaction, rules.header)
  const from = transaction.mail_from as Transaction['mail_from'] | null
  const classified = classify(rules, { account, tenant, isTrusted, header, isBounce: !from?.user })
  Object.assign(transaction.notes, notesOf({ mailClass: classified.mailClass, tenant, account }))
  return { classified, header }
}

/** What Haraka's outbound.send_email takes as `options.notes`, for mail of our own. */
export function notesOf({ mailClass, tenant, account }: Label): Record<string, unknown> {
  return { [NOTE]: { class: mailClass, tenant, account } }
}

/**
 * Reads a label back from the notes of a queued message. Queue files may be old, of another release or from elsewhere:
 * whatever is not as it should be is left out, and the class then is `standard`.
 */
export function labelOf(notes: unknown, standard: MailClass): Label {
  const note = isObject(notes) && Object.hasOwn(notes, NOTE) ? notes[NOTE] : undefined
  if (!isObject(note)) return { mailClass: standard, tenant: undefined, account: undefined }
  return {
    mailClass: MAIL_CLASSES.find((mailClass) => mailClass === note.class) ?? standard,
    tenant: nameIn(note.tenant),
    account: nameIn(note.account),
  }
}

function takeHeader(transaction: Transaction, name: string): string | undefined {
  const values = transaction.header.get_all(name)
  if (values.length === 0) return undefined
  const said = values.map((value) => value.trim()).join(', ')
  transaction.remove_header(name)
  return said
}

/**
 * Whether relay_acl_allow of haraka-plugin-relay names the client. That it may relay is not enough: relay_dest_domains
 * lets anybody relay to some domains.
 */
function isListedRelay(connection: Connection): boolean {
  if (!connection.relaying) return false
  const noted = connection.results.get('relay') as { readonly pass?: unknown } | undefined
  return Array.isArray(noted?.pass) && noted.pass.includes('acl')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MOST_NAME ? value : undefined
}
